import { PluginError } from '../../errors.js'
import { type FilePort, type Host, isSameNetns, type NetnsId, type OpenedNetns } from '../../host/ports.js'
import type { AttachmentRecord } from '../../state/record.js'

const PID = /^\d+$/
/**
 * The fields root (4th) and mount point (5th) in a line of /proc/<pid>/mountinfo. They contain octal escapes
 * (proc_pid_mountinfo(5)).
 */
const MOUNT = /^\d+ \d+ \S+ (\S+) (\S+) /
const OCTAL = /\\([0-7]{3})/g

/** The Go sriov-cni records no identity (""). Any namespace at its path then counts as the pod's. */
const isRecorded = (found: NetnsId, recorded: NetnsId): boolean => recorded.inode === '' || isSameNetns(found, recorded)

/**
 * Opens the namespace at a path. Undefined when there is certainly none.
 * @throws PluginError kind `netns` when nobody can tell
 */
function openIfAny({ kernel }: Pick<Host, 'kernel'>, path: string): OpenedNetns | undefined {
  try {
    return kernel.openNetns(path)
  } catch (error) {
    if (error instanceof PluginError && error.fault.kind === 'netns' && error.fault.code === undefined) {
      return undefined
    }
    throw error
  }
}

/** Opens the namespace at a path if it is the one with this identity. Undefined when the path now leads elsewhere. */
function openIfSame(host: Pick<Host, 'kernel'>, path: string, id: NetnsId): OpenedNetns | undefined {
  const open = openIfAny(host, path)
  if (!open) {
    return undefined
  }
  if (isRecorded(open.id, id)) {
    return open
  }
  open[Symbol.dispose]()
  return undefined
}

/**
 * Opens the namespace of a record by its path, or by one of the other paths. Undefined when all of them lead nowhere,
 * or to another namespace.
 */
export function openRecordedNetns(
  host: Pick<Host, 'kernel'>,
  { netns }: AttachmentRecord,
  others: readonly string[] = [],
): OpenedNetns | undefined {
  for (const path of [netns.path, ...others].filter((one) => one !== '')) {
    const found = openIfSame(host, path, netns)
    if (found) {
      return found
    }
  }
  return undefined
}

/** A path to a network namespace, and the namespace as nsfs names it: `net:[4026531840]`. */
interface NetnsPath {
  readonly link: string
  readonly path: string
}

/**
 * The paths that lead to network namespaces: mount points, then processes. Skips a process that has ended, or that belongs
 * to another user.
 */
function* netnsPaths(files: FilePort): Generator<NetnsPath> {
  for (const line of (files.readText('/proc/self/mountinfo') ?? '').split('\n')) {
    const [, root, mountPoint] = MOUNT.exec(line) ?? []
    if (root?.startsWith('net:') && mountPoint !== undefined) {
      const path = mountPoint.replace(OCTAL, (_escape, digits: string) =>
        String.fromCharCode(Number.parseInt(digits, 8)),
      )
      yield { link: root, path }
    }
  }
  for (const pid of files.list('/proc').filter((name) => PID.test(name))) {
    const path = `/proc/${pid}/ns/net`
    let target: string | undefined
    try {
      target = files.readLink(path)
    } catch {
      target = undefined
    }
    if (target !== undefined) {
      yield { link: target, path }
    }
  }
}

/** The paths that lead to one namespace. */
function* pathsOf(files: FilePort, inode: string): Generator<string> {
  for (const { link, path } of netnsPaths(files)) {
    if (link === `net:[${inode}]`) {
      yield path
    }
  }
}

/** One path for each network namespace that can be seen. Searches all mounts and processes. */
export function allNetnsPaths(files: FilePort): readonly string[] {
  const byLink = new Map<string, string>()
  for (const { link, path } of netnsPaths(files)) {
    if (!byLink.has(link)) {
      byLink.set(link, path)
    }
  }
  return [...byLink.values()]
}

/**
 * Searches all mounts and processes for the namespace of a record whose path is gone. The kernel reuses the inode
 * number of a dead namespace, so the caller must check that the VF is in the namespace found.
 */
export function searchRecordedNetns(
  host: Pick<Host, 'kernel' | 'files'>,
  { netns }: AttachmentRecord,
): OpenedNetns | undefined {
  for (const path of netns.inode === '' ? [] : pathsOf(host.files, netns.inode)) {
    const found = openIfSame(host, path, netns)
    if (found) {
      return found
    }
  }
  return undefined
}

/**
 * Whether a path leads to the network namespace of a pod; only then does a mark count. Our own namespace is not a
 * pod's: after a process has ended, a host process can have the process ID in the path.
 * @throws PluginError kind `netns` when nobody can tell
 */
export function isPodNetns(host: Pick<Host, 'kernel'>, path: string): boolean {
  using open = path === '' ? undefined : openIfAny(host, path)
  if (!open) {
    return false
  }
  const own = host.kernel.ownNetns()
  return !isSameNetns(own.id, open.id)
}
