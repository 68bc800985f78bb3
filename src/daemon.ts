import { RESIDENT_SOCKET } from './daemon/protocol.js'
import { runDaemon } from './daemon/run.js'
import { lazyLog } from './host/log.js'
import type { LogLevelName } from './host/ports.js'
import { openClosableLogWriter, openLogWriter } from './log-writer.js'

// As in main.ts: half of what is looked for is not there, and a stack trace costs more than the look.
Error.stackTraceLimit = 0

/** Threads that wait for the kernel: netlink takes one change at a time, but a driver may keep a thread for a minute. */
const THREADS = 32

/** How the operator started the resident process. */
export interface DaemonArguments {
  readonly socketPath?: string
  readonly logLevel?: LogLevelName
  readonly logFile?: string
}

/** Runs the resident process from the folder of a release; returns its exit code. */
export function daemon(folder: string, { socketPath, logLevel, logFile }: DaemonArguments): Promise<number> {
  // libuv reads it when the first thread is needed, which is later.
  process.env.UV_THREADPOOL_SIZE = String(THREADS)
  return runDaemon({
    folder,
    socketPath: socketPath ?? RESIDENT_SOCKET,
    log: lazyLog({ level: logLevel ?? 'info', facts: {}, ...(logFile !== undefined && { file: logFile }) }, () => ({
      openLogWriter,
    })),
    openCallLog: openClosableLogWriter,
  })
}
