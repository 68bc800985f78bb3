import { readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Device and inode of a path; undefined when nothing is there, or we may not look. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** The path itself, or its nearest ancestor that exists for us. */
const existing = (path: string): string =>
  path === '/' || identityOf(path) !== undefined ? path : existing(dirname(path))

const mountNamespaceOf = (process: string): string | undefined => {
  try {
    return readlinkSync(`/proc/${process}/ns/mnt`)
  } catch {
    return undefined
  }
}

let own: { readonly mounts: string | undefined; readonly root: string | undefined } | undefined

/** Our own mount namespace and root, which stay what they are for as long as this process lives. */
const ours = () => {
  own ??= { mounts: mountNamespaceOf('self'), root: identityOf('/') }
  return own
}

/** The files of another process. Its mount namespace or its root may differ from ours (proc_pid_root(5)). */
export interface OtherView {
  /** Whether that process shares our mount namespace and our root. */
  isOurs(): boolean
  /** Whether a path leads to the same place for both processes. For a missing path, its nearest folder is compared. */
  sharesPath(path: string): boolean
}

/** The files as process `pid` sees them. 0 stands for an unknown process, which shares nothing with us. */
export function otherView(pid: number): OtherView {
  const root = `/proc/${pid}/root`
  const sharesPath = (path: string): boolean => {
    const own = existing(path)
    // The kernel resolves absolute symbolic links below another root against ours: compare where ours lead, too.
    const resolved = realpathSync(own)
    return [own, resolved].every((one) => identityOf(own) === identityOf(`${root}${one}`))
  }
  return {
    isOurs: () => pid > 0 && mountNamespaceOf(String(pid)) === ours().mounts && identityOf(`${root}/`) === ours().root,
    sharesPath: (path) => pid > 0 && path.startsWith('/') && sharesPath(path),
  }
}
