/** When a process that stays has to end. */
import { basename, dirname } from 'node:path'
import type { FilePort } from '../ports.js'

/** How often to look for a reason to stop. */
const CHECK_MS = 2_000

/** Returns a check whether an upgrade, or the removal of the plugin, has replaced the version in `folder`. */
export function versionWatch(files: Pick<FilePort, 'readLink'>, folder: string): () => boolean {
  const link = `${dirname(folder)}/current`
  const own = basename(folder)
  const isCurrent = () => files.readLink(link) === own
  return isCurrent() ? () => !isCurrent() : () => false
}

/** Waits for a signal, or for a reason from `findReason`, which is asked every two seconds. */
export const untilStopped = (findReason: () => string | undefined): Promise<string> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.once(signal, () => resolve(signal))
    }
    const timer = setInterval(() => {
      const reason = findReason()
      if (reason !== undefined) {
        resolve(reason)
      }
    }, CHECK_MS)
    timer.unref()
  })
