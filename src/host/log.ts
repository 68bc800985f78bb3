import { LOG_LEVELS, type LogLevelName } from '../cni/log-levels.js'
import type { Log } from './ports.js'

export type WriteLine = (level: LogLevelName, message: string, facts: Readonly<Record<string, unknown>>) => void

/** What log-writer.ts, a bundle of its own, offers. */
export interface LogWriterModule {
  openLogWriter(file: string | undefined): WriteLine
}

/** Where lines go, and from which level on. Without a file: stderr. `facts` stand in every line. */
export interface LogOptions {
  readonly level: LogLevelName
  readonly file?: string
  readonly facts: Readonly<Record<string, unknown>>
}

/**
 * A log that loads its writer with the first line it has to write: pino costs 8 ms to load, and an ADD that goes
 * well has nothing to say at the default level.
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
          // A full disk under the log must not decide what becomes of a VF.
        }
      }
    }
  return { error: at('error'), warning: at('warning'), info: at('info'), debug: at('debug') }
}
