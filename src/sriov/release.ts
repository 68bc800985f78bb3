import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import { ipamDel } from '../ipam.js'
import { removeMark } from '../state/allocations.js'
import { commitAttachment, loadAttachment, noteAttachment, removeAttachment } from '../state/attachments.js'
import { hasClaim, removeClaim } from '../state/claims.js'
import type { AttachmentRecord, IpamCall } from '../state/record.js'
import { giveBackVf } from './detach.js'
import { describeRecorded } from './locate.js'
import { belongsToAnother } from './ownership.js'

/** How to release what differs from the record. */
export interface ReleaseOptions {
  /** How to call the IPAM plugin, when the caller knows better than the record. */
  readonly ipam?: IpamCall | undefined
  /** The IPAM plugin has refused to give a lease: that it refuses to free one, too, keeps nothing. */
  readonly isLeaseRefused?: boolean
  /** Where the pod's namespace may be found beside the path in the record. */
  readonly netnsPaths?: readonly string[]
}

/** From now on the VF is nobody's. A disk that is full must not keep it from going back: the record is complete as it is. */
function noteReleasing({ files, log }: Host, cniDir: string, record: AttachmentRecord): void {
  if (record.phase !== 'attached') {
    return
  }
  try {
    noteAttachment(files, cniDir, { ...record, phase: 'releasing' })
  } catch (error) {
    log.warning('cannot note that the VF is being given back', { error: messageOf(error) })
  }
}

/**
 * Whether the VF is on the host as it was: while it is not, the attachment has a claim. Of an ADD that died before its
 * claim nothing was changed; of a release that died after it everything was given back.
 */
const isVfBack = ({ files }: Host, cniDir: string, { phase, deviceId }: AttachmentRecord): boolean =>
  phase === 'released' || (phase !== 'attached' && !hasClaim(files, cniDir, deviceId))

/** Gives the VF back unless it serves another by now; returns what could not be given back. */
async function releaseVf(
  host: Host,
  cniDir: string,
  record: AttachmentRecord,
  netnsPaths: readonly string[],
): Promise<readonly string[]> {
  if (isVfBack(host, cniDir, record)) {
    if (!hasClaim(host.files, cniDir, record.deviceId)) {
      removeMark(host.files, cniDir, record.deviceId, record.netns.path)
    }
    return []
  }
  if (belongsToAnother(host, cniDir, record)) {
    host.log.info('the VF serves another attachment by now; it is left alone', { device: record.deviceId })
    return []
  }
  try {
    noteReleasing(host, cniDir, record)
    await giveBackVf(host, cniDir, record, netnsPaths)
    removeClaim(host.files, cniDir, record)
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

/** Whether the attachment has another VF by now, its record having been lost before: lease and record are that one's. */
function hasOtherVf({ files }: Host, cniDir: string, record: AttachmentRecord): boolean {
  const read = loadAttachment(files, cniDir, record)
  return read?.kind === 'record' && read.record.deviceId !== record.deviceId
}

/** @throws PluginError kind `release` when there are problems */
function requireNone(record: AttachmentRecord, problems: readonly string[]): void {
  if (problems.length > 0) {
    throw new PluginError({ kind: 'release', target: describeRecorded(record), problems })
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
  { ipam = record.ipam, isLeaseRefused = false, netnsPaths = [] }: ReleaseOptions = {},
): Promise<void> {
  const vfProblems = await releaseVf(host, cniDir, record, netnsPaths)
  if (hasOtherVf(host, cniDir, record)) {
    return requireNone(record, vfProblems)
  }
  const leaseProblems = await releaseLease(host, ipam, isLeaseRefused)
  if (vfProblems.length === 0 && leaseProblems.length === 0) {
    removeAttachment(host.files, cniDir, record)
    return
  }
  const problems = [...vfProblems, ...leaseProblems]
  if (vfProblems.length === 0 && record.phase !== 'released') {
    try {
      commitAttachment(host.files, cniDir, { ...record, phase: 'released' })
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  requireNone(record, problems)
}
