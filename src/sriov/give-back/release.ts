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
 * waits for us. A full disk is no error: the record that is there is complete, and the VF must go back.
 */
async function noteReleasing({ log, state }: CallHost, record: AttachmentRecord, isOnDisk: boolean): Promise<void> {
  const releasing: AttachmentRecord = { ...record, phase: 'releasing' }
  try {
    if (record.phase === 'attached') {
      await noteInPassing(state, releasing, isOnDisk)
    } else if (!isOnDisk && !recordOfClaim(state, record)) {
      await restoreRecord(state, releasing)
    }
  } catch (error) {
    log.warning('cannot note that the VF is being given back', { error: messageOf(error) })
  }
}

/**
 * Whether nothing of the VF is left to give back. The claim tells: an ADD makes it before its first change, and a
 * release removes it after its last.
 */
const isVfBack = ({ files }: Host, { phase, deviceId }: AttachmentRecord): boolean =>
  phase === 'released' || (phase !== 'attached' && !hasClaim(files, deviceId))

/**
 * Gives the VF back, unless it serves another attachment by now. It leaves the pod first; then its settings are
 * restored on the host while the IPAM plugin frees the lease. Returns what of the VF could not be given back.
 */
async function releaseVf(
  host: CallHost,
  record: AttachmentRecord,
  { netnsPaths = [], lock, isOnDisk = false }: ReleaseOptions,
  lease: LeaseEnd,
): Promise<readonly string[]> {
  if (belongsToAnother(host, record)) {
    host.log.info('the VF serves another attachment by now; it is left alone', { device: record.deviceId })
    return []
  }
  await noteReleasing(host, record, isOnDisk)
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
  using hostRtnl = openRtnl(host)
  const release = openRelease(host, record, { netnsPaths, lock, hostRtnl, duringMove: lease.makeReady })
  const departed = await departVf(release, collect)
  lease.begin()
  // Not waited for here: a process of one call waits on its only thread, and a plugin that hangs must not hold the VF.
  await restoreVf(release, departed, collect)
  if (problems.length === 0) {
    removeClaim(host.files, record)
  }
  return problems
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
 * beside the rest. When only the lease is left, the record says `released` and keeps nobody from the VF. The mark goes
 * after the lease: by it the next ADD finds a release that died in between. The caller holds the lock of the VF.
 * @throws PluginError kind `release` with everything that could not be given back; the record stays then
 */
export async function releaseAttachment(
  host: CallHost,
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
