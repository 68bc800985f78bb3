import { messageOf, PluginError } from '../../errors.js'
import type { Host, Lock } from '../../host/ports.js'
import {
  commitAttachment,
  loadAttachment,
  noteAttachment,
  recordOfClaim,
  removeAttachment,
  restoreRecord,
} from '../../state/attachments.js'
import { hasClaim, removeClaim } from '../../state/claims.js'
import type { HostWithState } from '../../state/folder.js'
import { readMark, removeMark } from '../../state/marks.js'
import type { AttachmentRecord, IpamCall } from '../../state/record.js'
import { removeDeviceInfo } from '../device/device-info.js'
import { describeRecorded } from '../device/locate.js'
import { belongsToAnother, isOfThisBoot } from '../users/ownership.js'
import { isPodNetns } from '../users/pod-netns.js'
import { type Collect, departVf, restoreVf } from './detach.js'
import { type LeaseEnd, leaseEnd } from './lease.js'
import { openRelease } from './releasing.js'

/** How to release what differs from the record. */
export interface ReleaseOptions {
  /** The VF's, held by the caller: a program that binds the VF holds it, too. */
  readonly lock: Lock
  /** How to call the IPAM plugin, when the caller knows better than the record. */
  readonly ipam?: IpamCall | undefined
  /** The IPAM plugin has refused to give a lease: that it refuses to free one, too, keeps nothing. */
  readonly isLeaseRefused?: boolean
  /** Where the pod's namespace may be found beside the path in the record. */
  readonly netnsPaths?: readonly string[]
  /**
   * The record was read from the disk under this lock, so nobody else changes it. Without it (the record is a claim, say)
   * the disk is looked at before each change: the attachment may have another VF by now.
   */
  readonly isOnDisk?: boolean
}

/**
 * From now on the VF is nobody's. A record that was lost is written anew, so that an ADD of the same attachment waits for
 * us. A disk that is full must not keep the VF from going back: what is on it is complete.
 */
function noteReleasing({ log, state }: HostWithState, record: AttachmentRecord, isOnDisk: boolean): void {
  const releasing: AttachmentRecord = { ...record, phase: 'releasing' }
  try {
    if (record.phase === 'attached') {
      noteAttachment(state, releasing, isOnDisk)
    } else if (!isOnDisk && !recordOfClaim(state, record)) {
      restoreRecord(state, releasing)
    }
  } catch (error) {
    log.warning('cannot note that the VF is being given back', { error: messageOf(error) })
  }
}

/**
 * Whether the VF is on the host as it was: while it is not, the attachment has a claim. Of an ADD that died before its
 * claim nothing was changed; of a release that died after it everything was given back.
 */
const isVfBack = ({ files }: Host, { phase, deviceId }: AttachmentRecord): boolean =>
  phase === 'released' || (phase !== 'attached' && !hasClaim(files, deviceId))

/**
 * Gives the VF back unless it serves another by now: off the pod first, then its settings on the host while the lease is
 * freed. Returns what could not be given back of the VF.
 */
async function releaseVf(
  host: HostWithState,
  record: AttachmentRecord,
  { netnsPaths = [], lock, isOnDisk = false }: ReleaseOptions,
  lease: LeaseEnd,
): Promise<readonly string[]> {
  if (belongsToAnother(host, record)) {
    host.log.info('the VF serves another attachment by now; it is left alone', { device: record.deviceId })
    return []
  }
  noteReleasing(host, record, isOnDisk)
  if (!isOfThisBoot(host, record)) {
    host.log.info('the machine has booted since: the kernel holds nothing of this attachment', {
      device: record.deviceId,
    })
    removeClaim(host.files, record)
    return []
  }
  const problems: string[] = []
  const collect: Collect = async (work) => {
    try {
      await work()
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  const release = openRelease(host, record, { netnsPaths, lock })
  try {
    const departed = await departVf(release, collect)
    await Promise.all([lease.free(), restoreVf(release, departed, collect)])
  } finally {
    release.hostRtnl.close()
  }
  if (problems.length === 0) {
    removeClaim(host.files, record)
  }
  return problems
}

/** Takes the mark of a VF away that is back, or that of a dead pod; one of a pod that lives by now stays. */
function clearMark(host: HostWithState, { deviceId, netns }: AttachmentRecord): void {
  const { files } = host
  const mark = readMark(files, deviceId)
  if (mark !== undefined && !hasClaim(files, deviceId) && (mark === netns.path || !isPodNetns(host, mark))) {
    removeMark(files, deviceId, mark)
  }
}

/** Whether the attachment has another VF by now, its record having been lost before: lease and record are that one's. */
function hasOtherVf({ state }: HostWithState, record: AttachmentRecord): boolean {
  const read = loadAttachment(state, record)
  return read?.kind === 'record' && read.record.deviceId !== record.deviceId
}

/**
 * Ends an attachment: VF first, IPAM last, the record only when both are done; a record whose VF is back says so, and
 * keeps nobody from the VF. The IPAM plugin runs while the rest of the VF is put in order, once the pod has nothing of
 * it any more. A VF that serves another attachment by now is left alone. The mark outlives the lease: by it
 * the next ADD finds a release that died in between. The caller holds the VF's lock.
 * @throws PluginError kind `release` with everything that could not be given back; the record stays then
 */
export async function releaseAttachment(
  host: HostWithState,
  record: AttachmentRecord,
  options: ReleaseOptions,
): Promise<void> {
  const { ipam = record.ipam } = options
  const { isOnDisk = false, isLeaseRefused = false } = options
  const isAnothers = () => !isOnDisk && hasOtherVf(host, record)
  const lease = leaseEnd(host, () => (isAnothers() ? undefined : ipam), isLeaseRefused)
  const problems: string[] = []
  const attempt = async (work: () => void | Promise<void>) => {
    try {
      await work()
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  if (!isVfBack(host, record)) {
    // While the kernel moves the interface, the plugin gets itself ready; it is told what to do once that is through.
    void host.kernel.duringRequest(lease.makeReady)
    await attempt(async () => {
      problems.push(...(await releaseVf(host, record, options, lease)))
    })
  }
  const isBack = problems.length === 0
  await attempt(() => removeDeviceInfo(host.files, record))
  problems.push(...(await lease.free()))
  const isKeyFree = !isAnothers()
  if (isBack && isKeyFree && problems.length > 0 && record.phase !== 'released') {
    await attempt(() => commitAttachment(host.state, { ...record, phase: 'released' }))
  }
  if (isBack) {
    await attempt(() => clearMark(host, record))
  }
  if (isKeyFree && problems.length === 0) {
    await attempt(() => removeAttachment(host.state, record, isOnDisk))
  }
  if (problems.length > 0) {
    throw new PluginError({ kind: 'release', target: describeRecorded(record), problems })
  }
}
