import type { FilePort } from '../host/ports.js'

const PID = /^\d+$/
/** How /proc/<pid>/fdinfo/<fd> shows a flock(2) that the descriptor holds (proc_pid_fdinfo(5)). */
const HELD = /^lock:/m

function unlessDenied<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    // It has ended since, or it is another user's.
    return otherwise
  }
}

const holds = (files: FilePort, pid: string, path: string): boolean =>
  files
    .list(`/proc/${pid}/fd`)
    .some(
      (fd) =>
        files.readLink(`/proc/${pid}/fd/${fd}`) === path &&
        HELD.test(files.readText(`/proc/${pid}/fdinfo/${fd}`) ?? ''),
    )

/**
 * Who holds the flock of a file, for a person who has to do something about it: a process that was killed may have
 * left its lock to a child, such as an IPAM plugin. Looks through all of /proc, so only ask when it is worth it.
 */
export function lockHolders(files: FilePort, path: string): string {
  const pids = unlessDenied(() => files.list('/proc'), []).filter(
    (name) => PID.test(name) && unlessDenied(() => holds(files, name, path), false),
  )
  const names = pids.map((pid) => {
    const program = unlessDenied(() => files.readText(`/proc/${pid}/comm`), undefined)?.trim()
    return `process ${pid}${program ? ` (${program})` : ''}`
  })
  return names.length === 0 ? 'a process that cannot be seen from here' : names.join(' and ')
}
