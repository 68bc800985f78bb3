/**
 * Group commit: what calls want to have on the disk of a folder while another sync is under way is synced together, each
 * path once. Every call waits for a sync that began after its own request, and for no other folder: that may be on a
 * file system that hangs.
 */
import { type Addon, orThrow } from '../addon.js'

/**
 * Resolves once a folder and files in it are on the disk: fsync of each path, in that order. @throws PluginError kind
 * `kernel`
 */
export type SyncPaths = (folder: string, paths: readonly string[]) => Promise<void>

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
  async (_folder, paths) => {
    requireSynced(paths, resultsBy(paths, addon.syncPathsNow(paths)))
  }

/** What waits for one folder. */
interface Queue {
  add(paths: readonly string[]): Promise<void>
}

/** `onIdle` is called once nothing waits any more. */
function makeQueue(addon: Pick<Addon, 'syncPaths'>, onIdle: () => void): Queue {
  let waiting = new Set<string>()
  let next: Promise<ReadonlyMap<string, number>> | undefined
  let running: Promise<unknown> = Promise.resolve()

  async function syncWaiting(): Promise<ReadonlyMap<string, number>> {
    const paths = [...waiting]
    waiting = new Set()
    next = undefined
    try {
      return resultsBy(paths, await addon.syncPaths(paths))
    } finally {
      if (!next) {
        onIdle()
      }
    }
  }

  return {
    async add(paths) {
      for (const path of paths) {
        waiting.add(path)
      }
      if (!next) {
        next = running.then(syncWaiting)
        running = next.catch(() => undefined)
      }
      requireSynced(paths, await next)
    },
  }
}

/** For a process of many calls, to be shared by all of them: one thread for each folder syncs for all that wait. */
export function groupCommit(addon: Pick<Addon, 'syncPaths'>): SyncPaths {
  const queues = new Map<string, Queue>()
  return (folder, paths) => {
    const queue = queues.get(folder) ?? makeQueue(addon, () => queues.delete(folder))
    queues.set(folder, queue)
    return queue.add(paths)
  }
}
