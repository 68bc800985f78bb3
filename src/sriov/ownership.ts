import { PluginError } from '../errors.js'
import type { Host, Netns, NetnsId } from '../host/ports.js'
import { readMark } from '../state/allocations.js'
import { attachmentsOfVf } from '../state/attachments.js'
import type { AttachmentRecord } from '../state/record.js'

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'

/** Which boot of the machine this is (random(4)). */
export const bootIdOf = ({ files }: Pick<Host, 'files'>): string => files.readText(BOOT_ID_PATH)?.trim() ?? ''

const isSameNetns = (left: NetnsId, right: NetnsId): boolean =>
  left.device === right.device && left.inode === right.inode

/** Opens the namespace of a record; undefined when its path leads nowhere, or to another namespace by now. */
export function openRecordedNetns({ kernel }: Pick<Host, 'kernel'>, { netns }: AttachmentRecord): Netns | undefined {
  let open: Netns
  try {
    open = kernel.openNetns(netns.path)
  } catch (error) {
    if (error instanceof PluginError && error.fault.kind === 'netns') {
      return undefined
    }
    throw error
  }
  if (isSameNetns(open.id, netns)) {
    return open
  }
  open.close()
  return undefined
}

/** Whether the pod of a record is still there: same boot, same namespace behind its path. */
export function isAlive(host: Pick<Host, 'kernel' | 'files'>, record: AttachmentRecord): boolean {
  const netns = record.bootId === bootIdOf(host) ? openRecordedNetns(host, record) : undefined
  netns?.close()
  return netns !== undefined
}

/** Whether a path leads to a network namespace: what a mark of the Go sriov-cni counts by. */
export function isNetns({ kernel }: Pick<Host, 'kernel'>, path: string): boolean {
  try {
    kernel.openNetns(path).close()
    return true
  } catch {
    return false
  }
}

/** Whether a VF serves another attachment than this record's by now: it must be left alone then. */
export function belongsToAnother({ files }: Pick<Host, 'files'>, cniDir: string, record: AttachmentRecord): boolean {
  const mark = readMark(files, cniDir, record.deviceId)
  return (
    (mark !== undefined && mark !== record.netns.path) ||
    attachmentsOfVf(files, cniDir, record.deviceId).some(
      ({ containerId, ifName, phase }) =>
        phase === 'attached' && (containerId !== record.containerId || ifName !== record.ifName),
    )
  )
}

/** Who holds a VF, for an error message. */
export const holderOf = (record: AttachmentRecord): string =>
  `container ${record.containerId} interface ${record.ifName} (${record.netns.path})`
