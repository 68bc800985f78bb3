import { readlinkSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** What is behind a path: device and inode; undefined where nothing is, or nobody may look. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** The nearest folder above a path, or the path itself, that is there for us. */
const existing = (path: string): string =>
  path === '/' || identityOf(path) !== undefined ? path : existing(dirname(path))

const mountNamespaceOf = (process: string): string | undefined => {
  try {
    return readlinkSync(`/proc/${process}/ns/mnt`)
  } catch {
    return undefined
  }
}

/** The files of another process, which may live in another mount namespace or below another root (proc_pid_root(5)). */
export interface OtherView {
  /** Whether that process is in our mount namespace, and below our root. */
  isOurs(): boolean
  /** Whether a path leads that process where it leads us; of one that is not there yet, its nearest folder. */
  sharesPath(path: string): boolean
}

export function otherView(pid: number): OtherView {
  const root = `/proc/${pid}/root`
  const sharesPath = (path: string): boolean => {
    const own = existing(path)
    return identityOf(own) === identityOf(`${root}${own}`)
  }
  return {
    isOurs: () => pid > 0 && mountNamespaceOf(String(pid)) === mountNamespaceOf('self') && sharesPath('/'),
    sharesPath: (path) => pid > 0 && path.startsWith('/') && sharesPath(path),
  }
}
