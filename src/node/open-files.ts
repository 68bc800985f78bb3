import type { FilePort } from '../host/ports.js'

const PID = /^\d+$/

function unlessDenied<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    // It has ended since, or it is another user's.
    return otherwise
  }
}

/**
 * The processes with a descriptor of which `has` is true, for a person who has to do something about them: `process 12
 * (dpdk-testpmd)`. Looks through all of /proc, so only ask when it is worth it.
 * @param has told the process ID, the descriptor, and what that leads to
 */
export function processesThat(
  files: FilePort,
  has: (pid: string, fd: string, target: string) => boolean,
): readonly string[] {
  const hasOne = (pid: string): boolean =>
    files.list(`/proc/${pid}/fd`).some((fd) => has(pid, fd, files.readLink(`/proc/${pid}/fd/${fd}`) ?? ''))
  return unlessDenied(() => files.list('/proc'), [])
    .filter((name) => PID.test(name) && unlessDenied(() => hasOne(name), false))
    .map((pid) => {
      const program = unlessDenied(() => files.readText(`/proc/${pid}/comm`), undefined)?.trim()
      return `process ${pid}${program ? ` (${program})` : ''}`
    })
}
