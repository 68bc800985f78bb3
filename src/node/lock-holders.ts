import type { FilePort, Host } from '../host/ports.js'
import { pidsThat, processesByTarget } from './open-files.js'

/** How /proc/<pid>/fdinfo/<fd> shows a flock(2) that the descriptor holds (proc_pid_fdinfo(5)). */
const HELD = /^lock:/m

function isHeldBy(files: FilePort, pid: string, fd: string): boolean {
  try {
    return HELD.test(files.readText(`/proc/${pid}/fdinfo/${fd}`) ?? '')
  } catch {
    // The process has ended.
    return false
  }
}

/** The IDs of the processes that hold the flock of a file, as far as they can be seen. Searches all of /proc. */
export const pidsHolding = (files: FilePort, path: string): readonly string[] =>
  pidsThat(files, (pid, fd, target) => target === path && isHeldBy(files, pid, fd))

/** The same for many files, by path and by the names of the processes, in one search, while the event loop goes on turning. */
export const processesHolding = (
  host: Pick<Host, 'files' | 'clock'>,
  paths: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> =>
  processesByTarget(host, new Set(paths), (pid, fd) => isHeldBy(host.files, pid, fd))

/**
 * Names the processes that hold the flock of a file. A killed process may have left its lock to a child, such as an
 * IPAM plugin. Searches all of /proc, so call it only when the answer is worth the cost.
 */
export async function lockHolders(host: Pick<Host, 'files' | 'clock'>, path: string): Promise<string> {
  const holders = (await processesHolding(host, [path])).get(path)
  return holders ? holders.join(' and ') : 'a process that cannot be seen from here'
}
