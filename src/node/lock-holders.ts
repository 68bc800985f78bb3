import type { FilePort } from '../host/ports.js'
import { pidsThat, processName } from './open-files.js'

/** How /proc/<pid>/fdinfo/<fd> shows a flock(2) that the descriptor holds (proc_pid_fdinfo(5)). */
const HELD = /^lock:/m

/** The IDs of the processes that hold the flock of a file, as far as they can be seen. Searches all of /proc. */
export const pidsHolding = (files: FilePort, path: string): readonly string[] =>
  pidsThat(files, (pid, fd, target) => target === path && HELD.test(files.readText(`/proc/${pid}/fdinfo/${fd}`) ?? ''))

/** The same by their names. */
export const processesHolding = (files: FilePort, path: string): readonly string[] =>
  pidsHolding(files, path).map((pid) => processName(files, pid))

/**
 * Names the processes that hold the flock of a file. A killed process may have left its lock to a child, such as an
 * IPAM plugin. Searches all of /proc, so call it only when the answer is worth the cost.
 */
export function lockHolders(files: FilePort, path: string): string {
  const holders = processesHolding(files, path)
  return holders.length === 0 ? 'a process that cannot be seen from here' : holders.join(' and ')
}
