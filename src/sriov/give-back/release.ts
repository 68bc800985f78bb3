import { messageOf, PluginError } from '../../errors.js'
import type { Host, Lock } from '../../host/ports.js'
import { openRtnl } from '../../rtnl/connection.js'
import {
  commitAttachment,
  loadAttachment,
  noteInPassing,
  recordOfClaim,
  removeAttachment,
  restoreRecord,
  syncAttachment,
} from '../../state/attachments.js'
import { hasClaim, removeClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { readMark, removeMark } from '../../state/marks.js'
import type { AttachmentRecord, IpamCall } from '../../state/record.js'
import { removeDeviceInfo } from '../device/device-info.js'
import { describeRecorded } from '../device/locate.js'
import { belongsToAnother, isOfThisBoot } from '../users/ownership.js'
import { isPodNetns } from '../users/pod-netns.js'
import { type Collect, departVf, restoreVf } from './detach.js'
import { type LeaseEnd, leaseEnd } from './lease.js'
import { openRelease } from './releasing.js'

/** What the caller knows beside the record. */
export interface ReleaseOptions {
  /** The lock of the VF. A program that binds the VF inherits it. */
  readonly lock: Lock
  /** How to call the IPAM plugin, instead of how the record says. */
  readonly ipam?: IpamCall | undefined
  /** How to call it if that fails. */
  readonly otherIpam?: IpamCall | undefined
  /** The IPAM plugin gave no lease, so its refusal to free one is no problem. */
  readonly isLeaseRefused?: boolean
  /** More paths of the pod's namespace, beside the recorded one. */
  readonly netnsPaths?: readonly string[]
  /**
   * The record was read from the disk under this lock, so nobody else changes it. Without it (the record is a claim,
   * say) the disk is looked at before each change: the attachment may have another VF by now.
   */
  readonly isOnDisk?: boolean
}

/**
 * Writes down that the VF is nobody's from now on. A lost record is written anew, so that an ADD of the same attachment
 * waits for us. A full disk is no error: the record that is there is complete, and the VF must go back. Returns the record
 * to go on with: a claim says `intent` of a complete ADD, too, and without its record it counts as complete (tenancy.ts).
 */
async function noteReleasing(
  { log, state }: CallHost,
  record: AttachmentRecord,
  isOnDisk: boolean,
): Promise<AttachmentRecord> {
  const releasing: AttachmentRecord = { ...record, phase: 'releasing' }
  let isLost = false
  try {
    isLost = record.phase !== 'attached' && !isOnDisk && !recordOfClaim(state, record)
    if (record.phase === 'attached') {
      await noteInPassing(state, releasing, isOnDisk)
    } else if (isLost) {
      await restoreRecord(state, releasing)
    }
  } catch (error) {
    log.warning('cannot note that the VF is being given back', { error: messageOf(error) })
  }
  return isLost ? releasing : record
}

/**
 * Without the claim only the record tells of the lease, so it has to be on the disk before the claim goes. A disk that
 * refuses must not keep the VF.
 */
async function bringNoteToDisk({ log, state }: CallHost, record: AttachmentRecord, lease: LeaseEnd): Promise<void> {
  try {
    if (lease.isDue()) {
      await syncAttachment(state, record)
    }
  } catch (error) {
    log.warning('cannot bring the record to the disk', { error: messageOf(error) })
  }
}

/**
 * Whether nothing of the VF is left to give back. The claim tells: an ADD makes it before its first change, and a
 * release removes it after its last.
 */
const isVfBack = ({ files }: Host, { phase, deviceId }: AttachmentRecord): boolean =>
  phase === 'released' || (phase !== 'attached' && !hasClaim(files, deviceId))

/** How a VF was given back. */
interface Released {
  /** What could not be given back. */
  readonly problems: readonly string[]
  /** Whether the pod has nothing of the VF any more. */
  readonly hasLeft: boolean
}

/**
 * Gives the VF back, unless it serves another attachment by now. It leaves the pod first; then its settings are
 * restored on the host while the IPAM plugin frees the lease.
 */
async function releaseVf(
  host: CallHost,
  found: AttachmentRecord,
  { netnsPaths = [], lock, isOnDisk = false }: ReleaseOptions,
  lease: LeaseEnd,
): Promise<Released> {
  if (belongsToAnother(host, found)) {
    host.log.info('the VF serves another attachment by now; it is left alone', { device: found.deviceId })
    return { problems: [], hasLeft: true }
  }
  const record = await noteReleasing(host, found, isOnDisk)
  if (!isOfThisBoot(host, record)) {
    host.log.info('the machine has booted since: the kernel holds nothing of this attachment', {
      device: record.deviceId,
    })
    await bringNoteToDisk(host, record, lease)
    removeClaim(host.files, record)
    return { problems: [], hasLeft: true }
  }
  const problems: string[] = []
  const collect: Collect = async (work) => {
    try {
      await work()
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  const beside = host.kernel.hasThreads ? bringNoteToDisk(host, record, lease) : undefined
  using hostRtnl = openRtnl(host)
  const release = openRelease(host, record, { netnsPaths, lock, hostRtnl, duringMove: lease.makeReady })
  const departed = await departVf(release, collect)
  if (departed.hasLeft) {
    lease.begin()
  }
  // Not waited for here: a process of one call waits on its only thread, and a plugin that hangs must not hold the VF.
  await restoreVf(release, departed, collect)
  await (beside ?? bringNoteToDisk(host, record, lease))
  if (problems.length === 0) {
    removeClaim(host.files, record)
  }
  return { problems, hasLeft: departed.hasLeft }
}

/** Removes the mark of the VF when it is this attachment's or a dead pod's. The mark of another live pod stays. */
function clearMark(host: CallHost, { deviceId, netns }: AttachmentRecord): void {
  const { files } = host
  const mark = readMark(files, deviceId)
  if (mark !== undefined && !hasClaim(files, deviceId) && (mark === netns.path || !isPodNetns(host, mark))) {
    removeMark(files, deviceId, mark)
  }
}

/** Whether the record on the disk is about another VF of this attachment. Lease and record belong to that VF then. */
function hasOtherVf({ state }: CallHost, record: AttachmentRecord): boolean {
  const read = loadAttachment(state, record)
  return read?.kind === 'record' && read.record.deviceId !== record.deviceId
}

/**
 * Ends an attachment: the VF first, then the lease, then the record. Once the VF has left the pod, the IPAM plugin runs
 * beside the rest; while the pod has it, the lease stays. When only the lease is left, the record says `released` and keeps nobody from the VF. The mark goes
 * after the lease: by it the next ADD finds a release that died in between. The caller holds the lock of the VF.
 * @throws PluginError kind `release` with everything that could not be given back; the record stays then
 */
export async function releaseAttachment(
  host: CallHost,
  record: AttachmentRecord,
  options: ReleaseOptions,
): Promise<void> {
  const { ipam = record.ipam } = options
  const { isOnDisk = false, isLeaseRefused = false, otherIpam } = options
  const isAnothers = () => !isOnDisk && hasOtherVf(host, record)
  const lease = leaseEnd(host, () => (isAnothers() ? undefined : ipam), {
    isRefused: isLeaseRefused,
    otherIpam,
    lock: options.lock,
  })
  const problems: string[] = []
  const attempt = async (work: () => void | Promise<void>) => {
    try {
      await work()
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  let hasLeft = isVfBack(host, record)
  if (!hasLeft) {
    await attempt(async () => {
      const released = await releaseVf(host, record, options, lease)
      hasLeft = released.hasLeft
      problems.push(...released.problems)
    })
  }
  const isBack = problems.length === 0
  await attempt(() => removeDeviceInfo(host.files, record))
  if (hasLeft) {
    problems.push(...(await lease.free()))
  } else {
    // The pod still has the interface, or the device: another pod must not get its address.
    await lease.abandon()
  }
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
