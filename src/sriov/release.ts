import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import { ipamDel } from '../ipam.js'
import { removeMark } from '../state/allocations.js'
import { commitAttachment, removeAttachment } from '../state/attachments.js'
import type { AttachmentRecord, IpamCall } from '../state/record.js'
import { giveBackVf } from './detach.js'
import { describeVf } from './locate.js'
import { belongsToAnother } from './ownership.js'

/** How to release what differs from the record. */
export interface ReleaseOptions {
  /** How to call the IPAM plugin, when the caller knows better than the record. */
  readonly ipam?: IpamCall | undefined
  /** The IPAM plugin has refused to give a lease: that it refuses to free one, too, keeps nothing. */
  readonly isLeaseRefused?: boolean
}

/** Gives the VF back unless it serves another by now; returns what could not be given back. */
async function releaseVf(host: Host, cniDir: string, record: AttachmentRecord): Promise<readonly string[]> {
  if (record.phase === 'released') {
    return []
  }
  if (belongsToAnother(host, cniDir, record)) {
    host.log.info('the VF serves another attachment by now; it is left alone', { device: record.deviceId })
    return []
  }
  try {
    await giveBackVf(host, record)
    removeMark(host.files, cniDir, record.deviceId, record.netns.path)
    return []
  } catch (error) {
    return error instanceof PluginError && error.fault.kind === 'release' ? error.fault.problems : [messageOf(error)]
  }
}

async function releaseLease(
  host: Host,
  ipam: IpamCall | undefined,
  isLeaseRefused: boolean,
): Promise<readonly string[]> {
  try {
    if (ipam) {
      await ipamDel(host, ipam)
    }
    return []
  } catch (error) {
    if (isLeaseRefused) {
      host.log.info('the IPAM plugin refuses DEL as it refused ADD', { error: messageOf(error) })
      return []
    }
    return [messageOf(error)]
  }
}

/**
 * Ends an attachment: VF first, IPAM last, the record only when both are done; a record whose VF is back says so, and
 * keeps nobody from the VF. A VF that serves another attachment by now is left alone. The caller holds the VF's lock.
 * @throws PluginError kind `release` with everything that could not be given back; the record stays then
 */
export async function releaseAttachment(
  host: Host,
  cniDir: string,
  record: AttachmentRecord,
  { ipam = record.ipam, isLeaseRefused = false }: ReleaseOptions = {},
): Promise<void> {
  const vfProblems = await releaseVf(host, cniDir, record)
  const leaseProblems = await releaseLease(host, ipam, isLeaseRefused)
  if (vfProblems.length === 0 && leaseProblems.length === 0) {
    removeAttachment(host.files, cniDir, record)
    return
  }
  if (vfProblems.length === 0 && record.phase !== 'released') {
    commitAttachment(host.files, cniDir, { ...record, phase: 'released' })
  }
  throw new PluginError({
    kind: 'release',
    target: `${describeVf(record.vfIndex, record.pf.name)} (${record.deviceId})`,
    problems: [...vfProblems, ...leaseProblems],
  })
}
