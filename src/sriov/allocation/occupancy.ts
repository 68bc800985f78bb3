import { messageOf, PluginError } from '../../errors.js'
import type { Host, Lock } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { vfsOf } from '../../pci/functions.js'
import { loadAttachment, tidyStateFolder } from '../../state/attachments.js'
import { hasClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { tryVfLock } from '../../state/lock.js'
import { markPath, readMark } from '../../state/marks.js'
import type { AttachmentRecord } from '../../state/record.js'
import { type DeviceLocation, describeDevice } from '../device/locate.js'
import { releaseAttachment } from '../give-back/release.js'
import { programsOf } from '../users/function-users.js'
import { holderOf, holdersOfVf } from '../users/ownership.js'
import { isPodNetns } from '../users/pod-netns.js'
import { awaitTenancy, tenancyOf } from '../users/tenancy.js'

/** Undoes what a killed call, or a pod that died without a DEL, left of a VF. The caller holds the VF's lock. */
export async function releaseLeftover(host: CallHost, record: AttachmentRecord, lock: Lock): Promise<void> {
  host.log.info('undoing an unfinished attachment', {
    phase: record.phase,
    holder: holderOf(record),
    device: record.deviceId,
  })
  await releaseAttachment(host, record, { lock })
  tidyStateFolder(host.state)
}

/**
 * Undoes what is left of a VF on behalf of another attachment. A lease that cannot be freed is only logged, because the
 * other attachment needs the VF and not the lease.
 * @throws PluginError kind `release` when the VF itself could not be given back
 */
async function releaseForNext(host: CallHost, record: AttachmentRecord, lock: Lock): Promise<void> {
  try {
    await releaseLeftover(host, record, lock)
  } catch (error) {
    const left = loadAttachment(host.state, record)
    if (left?.kind !== 'record' || left.record.phase !== 'released') {
      throw error
    }
    host.log.warning('the VF is back, a lease is not', { holder: holderOf(record), error: messageOf(error) })
  }
}

function markedUser(host: CallHost, address: string, mark: string | undefined): string | undefined {
  return mark !== undefined && isPodNetns(host, mark) ? `the pod of ${mark}, as ${markPath(address)} says` : undefined
}

/**
 * Who uses a device; undefined when nobody does. Changes nothing. Without the lock the answer can be outdated.
 * @throws PluginError kind `netns` when nobody can tell whether a pod is alive
 */
export async function userOf(host: CallHost, address: string): Promise<string | undefined> {
  const mark = readMark(host.files, address)
  for (const record of holdersOfVf(host, address, mark)) {
    if ((await tenancyOf(host, record)) === 'used') {
      return holderOf(record)
    }
  }
  return markedUser(host, address, mark)
}

/**
 * Undoes what dead pods and calls left of a device. Returns who still uses it; undefined when it is free. The caller
 * holds the device's lock, so an intent belongs to an ADD that died.
 * @throws PluginError kind `release` when it could not be given back
 */
export async function reclaimDevice(
  host: CallHost,
  { address }: Pick<DeviceLocation, 'address'>,
  lock: Lock,
): Promise<string | undefined> {
  let mark = readMark(host.files, address)
  for (const record of holdersOfVf(host, address, mark)) {
    if ((await awaitTenancy(host, record)) === 'used') {
      return holderOf(record)
    }
    if (record.phase !== 'released') {
      await releaseForNext(host, record, lock)
      mark = readMark(host.files, address)
    }
  }
  return markedUser(host, address, mark)
}

/**
 * Whether a device looks free at a glance: it has no claim and no mark. Only a look under the lock can tell whether a
 * claim or a mark is a leftover.
 */
export const looksFree = ({ files }: Host, address: string): boolean =>
  !hasClaim(files, address) && readMark(files, address) === undefined

/**
 * The devices that cannot serve a pod at the same time as this one: the VFs of a PF, or the PF of a VF. Only this
 * plugin gives PFs to pods, so a PF in use has a claim.
 */
function rivalsOf({ files }: Host, { address, vf }: DeviceLocation): readonly PciAddress[] {
  if (!vf) {
    return vfsOf(files, address).map((one) => one.address)
  }
  return hasClaim(files, vf.pf.address) ? [vf.pf.address] : []
}

const rivalText = ({ vf }: DeviceLocation, address: PciAddress, holder: string): string =>
  `its ${vf ? 'PF' : 'VF'} ${address}: ${holder}`

/**
 * Who has the PF of this VF, or a VF of this PF; undefined when nobody does. Changes nothing, and takes no lock: what a call at
 * work does with a rival is not seen.
 * @throws PluginError kind `netns` when nobody can tell whether a pod is alive
 */
export async function rivalUserOf(host: CallHost, location: DeviceLocation): Promise<string | undefined> {
  for (const address of rivalsOf(host, location)) {
    const user = looksFree(host, address) ? undefined : await userOf(host, address)
    const holder = user ?? (await programsOf(host, address))
    if (holder !== undefined) {
      return rivalText(location, address, holder)
    }
  }
  return undefined
}

/**
 * Undoes what dead pods and calls left of a rival, and returns who still has it: a pod of ours or of the Go sriov-cni,
 * a call that is at work on it, or a program in user space, such as a virtual machine.
 */
async function reclaimRival(host: CallHost, address: PciAddress): Promise<string | undefined> {
  if (looksFree(host, address)) {
    return await programsOf(host, address)
  }
  using lock = tryVfLock(host, address)
  if (!lock) {
    return 'a call that is at work on it'
  }
  return (await reclaimDevice(host, { address }, lock)) ?? (await programsOf(host, address))
}

/**
 * Makes sure that no pod has the PF of this VF, or a VF of this PF. Call this after claiming the device: of two calls
 * at once, the later one then sees the other.
 * @throws PluginError kind `vfInUse`
 */
export async function reclaimRivals(host: CallHost, location: DeviceLocation): Promise<void> {
  for (const address of rivalsOf(host, location)) {
    const holder = await reclaimRival(host, address)
    if (holder !== undefined) {
      throw new PluginError({
        kind: 'vfInUse',
        target: describeDevice(location),
        holder: rivalText(location, address, holder),
      })
    }
  }
}
