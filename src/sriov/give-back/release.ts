import { messageOf, PluginError } from '../../errors.js'
import type { Host, Lock } from '../../host/ports.js'
import { type StartedIpam, startIpamDel } from '../../ipam.js'
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
import { belongsToAnother } from '../users/ownership.js'
import { isPodNetns } from '../users/pod-netns.js'
import { giveBackVf } from './detach.js'

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
}

/**
 * From now on the VF is nobody's. A record that was lost is written anew, so that an ADD of the same attachment waits for
 * us. A disk that is full must not keep the VF from going back: what is on it is complete.
 */
function noteReleasing({ log, state }: HostWithState, record: AttachmentRecord): void {
  const releasing: AttachmentRecord = { ...record, phase: 'releasing' }
  try {
    if (record.phase === 'attached') {
      noteAttachment(state, releasing)
    } else if (!recordOfClaim(state, record)) {
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

/** Gives the VF back unless it serves another by now; returns what could not be given back. */
async function releaseVf(
  host: HostWithState,
  record: AttachmentRecord,
  { netnsPaths = [], lock }: ReleaseOptions,
  onAway: () => void,
): Promise<readonly string[]> {
  try {
    if (belongsToAnother(host, record)) {
      host.log.info('the VF serves another attachment by now; it is left alone', { device: record.deviceId })
      return []
    }
    noteReleasing(host, record)
    await giveBackVf(host, record, { netnsPaths, lock, onAway })
    removeClaim(host.files, record)
    return []
  } catch (error) {
    return error instanceof PluginError && error.fault.kind === 'release' ? error.fault.problems : [messageOf(error)]
  }
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

/** The end of a lease. */
interface LeaseEnd {
  /** Starts the IPAM plugin, which then waits; what is wrong with it is met by begin(). */
  makeReady(): void
  /** Lets it free the lease. Once. */
  begin(): void
  /** Waits for its end; returns what went wrong. */
  problems(): Promise<readonly string[]>
}

function leaseEnd(
  host: Host,
  ipamNow: () => IpamCall | undefined,
  { isLeaseRefused = false }: Pick<ReleaseOptions, 'isLeaseRefused'>,
): LeaseEnd {
  let started: StartedIpam<void> | undefined
  let problems: Promise<readonly string[]> | undefined
  const problemsOf = (error: unknown): readonly string[] => {
    if (isLeaseRefused) {
      host.log.info('the IPAM plugin refuses DEL as it refused ADD', { error: messageOf(error) })
      return []
    }
    return [messageOf(error)]
  }
  async function free(): Promise<readonly string[]> {
    const ipam = ipamNow()
    if (!ipam) {
      // Without its configuration it does nothing.
      await started?.finish().catch(() => undefined)
      return []
    }
    started ??= startIpamDel(host, ipam)
    try {
      started.begin()
    } finally {
      await started.finish()
    }
    return []
  }
  return {
    makeReady() {
      if (problems) {
        return
      }
      try {
        const ipam = ipamNow()
        started = ipam && startIpamDel(host, ipam, { isHeldBack: true })
      } catch {
        started = undefined
      }
    },
    begin() {
      problems ??= free().catch(problemsOf)
    },
    problems: () => problems ?? Promise.resolve([]),
  }
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
  const lease = leaseEnd(host, () => (hasOtherVf(host, record) ? undefined : ipam), options)
  const problems: string[] = []
  if (!isVfBack(host, record)) {
    // While the kernel moves the interface, the plugin gets itself ready; it is told what to do once that is through.
    void host.kernel.duringRequest(lease.makeReady)
    problems.push(...(await releaseVf(host, record, options, lease.begin)))
  }
  const isBack = problems.length === 0
  const attempt = (work: () => void) => {
    try {
      work()
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  attempt(() => removeDeviceInfo(host.files, record))
  lease.begin()
  problems.push(...(await lease.problems()))
  const isKeyFree = !hasOtherVf(host, record)
  if (isBack && isKeyFree && problems.length > 0 && record.phase !== 'released') {
    attempt(() => commitAttachment(host.state, { ...record, phase: 'released' }))
  }
  if (isBack) {
    attempt(() => clearMark(host, record))
  }
  if (isKeyFree && problems.length === 0) {
    attempt(() => removeAttachment(host.state, record))
  }
  if (problems.length > 0) {
    throw new PluginError({ kind: 'release', target: describeRecorded(record), problems })
  }
}
