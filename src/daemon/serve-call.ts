import { dispatch } from '../cni/dispatch.js'
import { handlers } from '../commands/handlers.js'
import type { Addon } from '../host/addon.js'
import { realFiles } from '../host/files/real-files.js'
import type { residentHosts } from '../host/resident.js'
import { type LogWriterModule, lazyLog, type WriteLine } from '../host/stdio/log.js'
import type { Result } from './protocol.js'
import type { Accepted } from './server.js'

/** Opens the log of a call: its file, or its stderr. */
export type OpenCallLog = (
  file: string | undefined,
  stderr: { write(text: string): void },
) => { readonly write: WriteLine; close(): void }

/** What all calls share. */
export interface ServeOptions {
  readonly addon: Addon
  readonly hostFor: ReturnType<typeof residentHosts>
  readonly openCallLog: OpenCallLog
}

/** Carries out a call as a process of its own would, but writes to buffers. */
export async function serveCall(
  { request: { environment, stdin }, netnsFd, isGone }: Accepted,
  { addon, hostFor, openCallLog }: ServeOptions,
): Promise<Result> {
  let stdout = ''
  let stderr = ''
  const writeStderr = (text: string) => {
    stderr += text
  }
  const closers: (() => void)[] = []
  const loadLogWriter = (): LogWriterModule => ({
    openLogWriter(file) {
      const { write, close } = openCallLog(file, { write: writeStderr })
      closers.push(close)
      return write
    },
  })
  const exitCode = await dispatch(
    environment,
    {
      readStdin: () => stdin,
      writeStdout(text) {
        stdout += text
      },
      writeStderr,
    },
    handlers({
      openFiles: () => realFiles(addon),
      hostOf(verb, { containerId, ifName, netnsPath }, { logLevel, logFile }) {
        const facts = { verb, ...(containerId !== '' && { containerId, ifName }) }
        const log = lazyLog({ level: logLevel, facts, ...(logFile !== undefined && { file: logFile }) }, loadLogWriter)
        return hostFor({
          log,
          caller: { isGone },
          writeStderr,
          ...(netnsFd !== undefined && { netns: { path: netnsPath, fd: netnsFd } }),
        })
      },
    }),
  )
  for (const close of closers) {
    close()
  }
  return { exitCode, stdout, stderr }
}
