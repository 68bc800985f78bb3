/**
 * Group commit: what calls want to have on the disk while another sync is under way is synced together, each path once.
 * Every call waits for a sync that began after its own request.
 */
import { type Addon, orThrow } from '../addon.js'

/** Resolves once files and folders are on the disk (fsync of each, in that order). @throws PluginError kind `kernel` */
export type SyncPaths = (paths: readonly string[]) => Promise<void>

/** @throws PluginError kind `kernel` for the first path that is not on the disk */
function requireSynced(paths: readonly string[], results: ReadonlyMap<string, number>): void {
  for (const path of paths) {
    orThrow(results.get(path) ?? 0, 'sync', path)
  }
}

const resultsBy = (paths: readonly string[], results: Buffer): ReadonlyMap<string, number> =>
  new Map(paths.map((path, i) => [path, results.readInt32LE(i * Int32Array.BYTES_PER_ELEMENT)]))

/** For a process of one call: the paths are on the disk when the function returns. */
export const syncAtOnce =
  (addon: Pick<Addon, 'syncPathsNow'>): SyncPaths =>
  async (paths) => {
    requireSynced(paths, resultsBy(paths, addon.syncPathsNow(paths)))
  }

/** For a process of many calls, to be shared by all of them: one thread syncs for all that wait. */
export function groupCommit(addon: Pick<Addon, 'syncPaths'>): SyncPaths {
  let waiting = new Set<string>()
  let next: Promise<ReadonlyMap<string, number>> | undefined
  let running: Promise<unknown> = Promise.resolve()

  async function syncWaiting(): Promise<ReadonlyMap<string, number>> {
    const paths = [...waiting]
    waiting = new Set()
    next = undefined
    return resultsBy(paths, await addon.syncPaths(paths))
  }

  return async (paths) => {
    for (const path of paths) {
      waiting.add(path)
    }
    if (!next) {
      next = running.then(syncWaiting)
      running = next.catch(() => undefined)
    }
    requireSynced(paths, await next)
  }
}
