import pino from 'pino'
import type { LogWriterModule } from './host/log.js'

const STDERR = 2
const LEVELS = { error: 50, warning: 40, info: 30, debug: 20 } as const

/** JSON lines to a file (appended) or to stderr, each on its way before the call returns. A bad file falls back to stderr. */
export const openLogWriter: LogWriterModule['openLogWriter'] = (file) => {
  const open = (dest: string | number) => pino.destination({ dest, sync: true, append: true, mkdir: true, mode: 0o600 })
  let destination: ReturnType<typeof open>
  let complaint: unknown
  try {
    destination = open(file ?? STDERR)
  } catch (error) {
    destination = open(STDERR)
    complaint = error
  }
  const logger = pino(
    {
      level: 'debug',
      customLevels: LEVELS,
      useOnlyCustomLevels: true,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
  if (complaint !== undefined) {
    logger.warning({ logFile: file, error: String(complaint) }, 'cannot open the log file; logging to stderr')
  }
  return (level, message, facts) => {
    logger[level](facts, message)
  }
}
