import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import pino from 'pino'
import type { LogLevelName } from '../../cni/log-levels.js'
import type { LogWriterModule, WriteLine } from './log.js'

const STDERR = 2
const PINO_LEVELS = { error: 50, warning: 40, info: 30, debug: 20 } as const satisfies Record<LogLevelName, number>

/** Where lines go without a log file: a descriptor, or an object that collects them. */
type Sink = number | { write(text: string): void }

/** A log that stays open until `close()`. */
export interface LogWriter {
  readonly write: WriteLine
  close(): void
}

/** How every line of a log of this plugin begins. */
const FIRST_WORDS = '{"level":"'

/** Whether a file is empty, or has our lines: lines of a log would spoil any other (wtmp, a journal, a pod's log). */
function isLog(fd: number, size: number): boolean {
  const found = Buffer.alloc(FIRST_WORDS.length)
  return size === 0 || (readSync(fd, found, 0, found.length, 0) > 0 && found.toString() === FIRST_WORDS)
}

/**
 * Opens a log file to append to: a regular file with one name that belongs to us and is a log of ours, or a new one.
 * Another may lead anywhere. A link is not followed, and a FIFO is opened without waiting for its reader. The folders above are the
 * policy's business (policy/govern.ts).
 * @throws Error of Node.js, or one that says what the file is
 */
function openLogFile(path: string): number {
  mkdirSync(dirname(path), { recursive: true })
  const { O_RDWR, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants
  const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0o600)
  const stat = fstatSync(fd)
  const problem = !stat.isFile()
    ? 'it is no regular file'
    : stat.nlink > 1
      ? 'it has a second name'
      : stat.uid !== process.geteuid?.()
        ? `it belongs to user ${stat.uid}`
        : isLog(fd, stat.size)
          ? undefined
          : 'it is no log of this plugin; move it away'
  if (problem !== undefined) {
    closeSync(fd)
    throw new Error(problem)
  }
  return fd
}

/**
 * Writes JSON lines, appended to a file or passed to a sink. Each line is on its way before the call returns. When the
 * file cannot be opened, lines go to the sink.
 */
export function openClosableLogWriter(file: string | undefined, sink: Sink): LogWriter {
  const open = (dest: number) => pino.destination({ dest, sync: true })
  const openSink = () => (typeof sink === 'number' ? open(sink) : sink)
  let opened: ReturnType<typeof open> | undefined
  let complaint: unknown
  try {
    opened = file === undefined ? undefined : open(openLogFile(file))
  } catch (error) {
    complaint = error
  }
  // A full disk under the log must not decide what happens to a VF.
  opened?.on('error', () => undefined)
  const logger = pino(
    {
      level: 'debug',
      customLevels: PINO_LEVELS,
      useOnlyCustomLevels: true,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    opened ?? openSink(),
  )
  if (complaint !== undefined) {
    logger.warning({ logFile: file, error: String(complaint) }, 'cannot open the log file; logging to stderr')
  }
  return {
    write: (level, message, facts) => logger[level](facts, message),
    close() {
      try {
        opened?.end()
      } catch {
        // destroy() closes the file.
      }
      // end() closes the file, unless an error keeps it from writing, such as a full disk.
      opened?.destroy()
    },
  }
}

/** Opens the log of a process that serves one call. Without a file it goes to stderr. It stays open until the end. */
export const openLogWriter: LogWriterModule['openLogWriter'] = (file) => openClosableLogWriter(file, STDERR).write
