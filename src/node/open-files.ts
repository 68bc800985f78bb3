import type { FilePort } from '../host/ports.js'

const PID = /^\d+$/

function unlessDenied<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    // The process has ended, or it belongs to another user.
    return otherwise
  }
}

/** Names a process for a person who must act on it: `process 12 (dpdk-testpmd)`. */
export function processName(files: FilePort, pid: string): string {
  const program = unlessDenied(() => files.readText(`/proc/${pid}/comm`), undefined)?.trim()
  return `process ${pid}${program ? ` (${program})` : ''}`
}

const processIds = (files: FilePort): string[] =>
  unlessDenied(() => files.list('/proc'), []).filter((name) => PID.test(name))

/** The processes that have each of these files open, by its path. One search of all of /proc. */
export function processesByTarget(
  files: FilePort,
  targets: ReadonlySet<string>,
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const pid of processIds(files)) {
    const open = unlessDenied(
      () => files.list(`/proc/${pid}/fd`).map((fd) => files.readLink(`/proc/${pid}/fd/${fd}`) ?? ''),
      [],
    )
    for (const target of new Set(open.filter((one) => targets.has(one)))) {
      found.set(target, [...(found.get(target) ?? []), processName(files, pid)])
    }
  }
  return found
}

/** Judges a descriptor by the process ID, its number, and its target. */
export type HasDescriptor = (pid: string, fd: string, target: string) => boolean

/**
 * The processes with a descriptor for which `has` is true, by their names. Searches all of /proc, so call it only when the answer is worth the cost.
 */
export const processesThat = (files: FilePort, has: HasDescriptor): readonly string[] =>
  pidsThat(files, has).map((pid) => processName(files, pid))

/** The same by their IDs. */
export function pidsThat(files: FilePort, has: HasDescriptor): readonly string[] {
  const hasOne = (pid: string): boolean =>
    files.list(`/proc/${pid}/fd`).some((fd) => has(pid, fd, files.readLink(`/proc/${pid}/fd/${fd}`) ?? ''))
  return processIds(files).filter((pid) => unlessDenied(() => hasOne(pid), false))
}
