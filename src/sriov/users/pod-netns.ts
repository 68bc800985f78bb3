import { PluginError } from '../../errors.js'
import { type FilePort, type Host, isSameNetns, type Netns, type NetnsId } from '../../host/ports.js'
import type { AttachmentRecord } from '../../state/record.js'

const PID = /^\d+$/
/** Fields of a line of /proc/<pid>/mountinfo: root (4th) and mount point (5th), octal escapes in them (proc_pid_mountinfo(5)). */
const MOUNT = /^\d+ \d+ \S+ (\S+) (\S+) /
const OCTAL = /\\([0-7]{3})/g

/** The Go sriov-cni records no identity (""): whatever is behind its path is taken for the pod's. */
const isRecorded = (found: NetnsId, recorded: NetnsId): boolean => recorded.inode === '' || isSameNetns(found, recorded)

/** Opens the namespace behind a path; undefined when there surely is none. @throws PluginError kind `netns` when nobody can tell */
function openIfAny({ kernel }: Pick<Host, 'kernel'>, path: string): Netns | undefined {
  try {
    return kernel.openNetns(path)
  } catch (error) {
    if (error instanceof PluginError && error.fault.kind === 'netns' && error.fault.code === undefined) {
      return undefined
    }
    throw error
  }
}

/** Opens the namespace behind a path when it is the one looked for; undefined when the path leads elsewhere by now. */
function openIfSame(host: Pick<Host, 'kernel'>, path: string, id: NetnsId): Netns | undefined {
  const open = openIfAny(host, path)
  if (!open) {
    return undefined
  }
  if (isRecorded(open.id, id)) {
    return open
  }
  open.close()
  return undefined
}

/**
 * Opens the namespace of a record by its path, or by one of the others given; undefined when they lead nowhere, or to
 * another namespace by now.
 */
export function openRecordedNetns(
  host: Pick<Host, 'kernel'>,
  { netns }: AttachmentRecord,
  others: readonly string[] = [],
): Netns | undefined {
  for (const path of [netns.path, ...others].filter((one) => one !== '')) {
    const found = openIfSame(host, path, netns)
    if (found) {
      return found
    }
  }
  return undefined
}

/** Where a namespace is mounted, and the processes that live in it. One that has ended, or is another user's, is skipped. */
function* pathsOf(files: FilePort, inode: string): Generator<string> {
  const link = `net:[${inode}]`
  for (const line of (files.readText('/proc/self/mountinfo') ?? '').split('\n')) {
    const [, root, mountPoint] = MOUNT.exec(line) ?? []
    if (root === link && mountPoint !== undefined) {
      yield mountPoint.replace(OCTAL, (_escape, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
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
    if (target === link) {
      yield path
    }
  }
}

/**
 * Looks for the namespace of a record wherever it is mounted or lived in, its path having gone. The kernel gives the
 * number of a dead namespace to the next one: that the VF is really in there is for the caller to see.
 */
export function searchRecordedNetns(
  host: Pick<Host, 'kernel' | 'files'>,
  { netns }: AttachmentRecord,
): Netns | undefined {
  for (const path of netns.inode === '' ? [] : pathsOf(host.files, netns.inode)) {
    const found = openIfSame(host, path, netns)
    if (found) {
      return found
    }
  }
  return undefined
}

/**
 * Whether a path leads to the network namespace of a pod: what a mark counts by. Our own is none: the number of a
 * process that ended may be a host process's by now.
 * @throws PluginError kind `netns` when nobody can tell
 */
export function isPodNetns(host: Pick<Host, 'kernel'>, path: string): boolean {
  const open = path === '' ? undefined : openIfAny(host, path)
  if (!open) {
    return false
  }
  try {
    const own = host.kernel.ownNetns()
    own.close()
    return !isSameNetns(own.id, open.id)
  } finally {
    open.close()
  }
}
