import type { FilePort, Host } from '../host/ports.js'

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

/** The descriptors of a process, until it ends; none of one that may not be looked at. */
function* descriptorsOf(files: FilePort, pid: string): Generator<string> {
  try {
    yield* files.names(`/proc/${pid}/fd`)
  } catch {
    // As above.
  }
}

/** After so many descriptors, others get their turn: a process may have a million. */
const DESCRIPTORS_PER_TURN = 2_000

/**
 * The processes that have each of these files open, by its path; of their descriptors, those count that `isMeant` says. One
 * search of all of /proc, in which the event loop goes on turning.
 */
export async function processesByTarget(
  { files, clock }: Pick<Host, 'files' | 'clock'>,
  targets: ReadonlySet<string>,
  isMeant: (pid: string, fd: string) => boolean = () => true,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, Set<string>>()
  let looked = 0
  for (const pid of processIds(files)) {
    for (const fd of descriptorsOf(files, pid)) {
      const target = unlessDenied(() => files.readLink(`/proc/${pid}/fd/${fd}`), undefined)
      if (target !== undefined && targets.has(target) && isMeant(pid, fd)) {
        found.set(target, (found.get(target) ?? new Set()).add(processName(files, pid)))
      }
      looked += 1
      if (looked % DESCRIPTORS_PER_TURN === 0) {
        await clock.sleep(0)
      }
    }
  }
  return new Map([...found].map(([target, names]) => [target, [...names]]))
}

/** Judges a descriptor by the process ID, its number, and its target. */
export type HasDescriptor = (pid: string, fd: string, target: string) => boolean

/** The IDs of the processes with a descriptor for which `has` is true. Searches all of /proc, in one piece. */
export function pidsThat(files: FilePort, has: HasDescriptor): readonly string[] {
  const hasOne = (pid: string): boolean => {
    for (const fd of files.names(`/proc/${pid}/fd`)) {
      if (has(pid, fd, files.readLink(`/proc/${pid}/fd/${fd}`) ?? '')) {
        return true
      }
    }
    return false
  }
  return processIds(files).filter((pid) => unlessDenied(() => hasOne(pid), false))
}
