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

/**
 * The processes with a descriptor for which `has` is true, named for a person who must act on them: `process 12
 * (dpdk-testpmd)`. Searches all of /proc, so call it only when the answer is worth the cost.
 * @param has receives the process ID, the descriptor, and the target of the descriptor
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
