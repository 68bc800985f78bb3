import { LOG_LEVELS, type LogLevelName } from '../../cni/log-levels.js'
import type { Log } from '../ports.js'

/** Writes one log line: a sentence, and its facts. */
export type WriteLine = (level: LogLevelName, message: string, facts: Readonly<Record<string, unknown>>) => void

/** The exports of log-writer.ts, which is a separate bundle. */
export interface LogWriterModule {
  openLogWriter(file: string | undefined): WriteLine
}

/** `level` is the most verbose level that is written. Without `file`, lines go to stderr. Every line has `facts`. */
export interface LogOptions {
  readonly level: LogLevelName
  readonly file?: string
  readonly facts: Readonly<Record<string, unknown>>
}

/**
 * A log that loads its writer when it writes its first line. Loading pino takes 8 ms, and a successful ADD writes
 * nothing at the default level.
 */
export function lazyLog({ level, file, facts }: LogOptions, loadWriter: () => LogWriterModule): Log {
  let write: WriteLine | undefined
  const limit = LOG_LEVELS.indexOf(level)
  const at =
    (name: LogLevelName): Log[LogLevelName] =>
    (message, more) => {
      if (LOG_LEVELS.indexOf(name) <= limit) {
        try {
          write ??= loadWriter().openLogWriter(file)
          write(name, message, { ...facts, ...more })
        } catch {
          // A full disk under the log must not decide what happens to a VF.
        }
      }
    }
  return { error: at('error'), warning: at('warning'), info: at('info'), debug: at('debug') }
}
