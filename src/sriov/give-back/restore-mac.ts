import { errnoOf, messageOf, PluginError } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { isSameAddress, ZERO_MAC } from '../../netlink/mac.js'
import { changeLink } from '../../rtnl/link.js'
import { noteAttachment } from '../../state/attachments.js'
import { applyVfSteps, type VfTarget } from '../pf/apply.js'
import { freeMac, isUnknownToPf, macStep, settleMac, trySetMac } from '../pf/mac.js'
import { pfWriter, type RecordedVf, type Release, readRecordedVf, setLinkUp } from './releasing.js'

/** Takes the interface up and down: its driver resets the VF, which takes the PF's MAC or tells the PF its own. */
async function reset(release: Release, link: Link): Promise<void> {
  await setLinkUp(release, link, true)
  await setLinkUp(release, link, false)
}

/** Sets the interface's own MAC; false when its driver lets only the PF set it. */
async function setOwnMac({ hostRtnl, record, target }: Release, link: Link): Promise<boolean> {
  const { mac } = record.original.netdev
  if (mac === undefined || link.mac === mac) {
    return true
  }
  return trySetMac(hostRtnl, link.index, mac, { target, driver: record.driver })
}

/** Makes the PF administer the interface's own MAC. The VF takes it with its next reset, or later by itself. */
async function administerOwnMac(release: Release, link: Link, pf: VfTarget): Promise<void> {
  const { host, record, hostRtnl, target } = release
  const { mac = link.mac } = record.original.netdev
  await applyVfSteps(pfWriter(release), pf, [macStep(mac)])
  await reset(release, link)
  await settleMac(hostRtnl, host.clock, { index: link.index, mac, target, driver: record.driver })
}

/** Whether the PF administers a MAC now, and whether it did before the ADD. */
interface Administration {
  readonly isAdministered: boolean
  readonly wasAdministered: boolean
}

/**
 * Whether the PF, which showed no MAC for the VF before the ADD, now shows the MAC that the VF has told it (igb,
 * ixgbe). It must not be cleared: the PF would send the VF no more frames, because igbvf does not tell its MAC again
 * when it comes up.
 */
const isOwnReport = ({ record }: Release, { vf, original }: Pick<RecordedVf, 'vf' | 'original'>): boolean =>
  original.mac === ZERO_MAC && vf.mac === record.original.netdev.mac

/** Restores what the PF administered: a MAC, or none, so that it shows what the VF tells it. */
async function restorePfMac(
  release: Release,
  link: Link,
  { isAdministered, wasAdministered }: Administration,
): Promise<void> {
  const { target, vf: shown, original } = await readRecordedVf(release)
  const { mac } = original
  let vf = shown
  if (!isAdministered && isOwnReport(release, { vf: shown, original })) {
    return
  }
  if (isAdministered && !wasAdministered) {
    await freeMac(pfWriter(release), target)
    vf = (await readRecordedVf(release)).vf
  }
  if (!wasAdministered && mac !== ZERO_MAC && vf.mac !== mac) {
    await reset(release, link)
    if ((await readRecordedVf(release)).vf.mac === mac) {
      return
    }
  }
  if (vf.mac !== mac || wasAdministered) {
    await tellPfMac(release, target, mac)
  }
}

/** Errors of drivers that cannot remove an administered MAC (qede, be2net, older ixgbe). */
const CANNOT_FREE = new Set(['EINVAL', 'EOPNOTSUPP'])

/** Tells the PF a MAC. A driver that refuses a zero MAC keeps administering one; that is logged. */
async function tellPfMac(release: Release, target: VfTarget, mac: string): Promise<void> {
  try {
    await applyVfSteps(pfWriter(release), target, [macStep(mac)])
  } catch (error) {
    if (mac !== ZERO_MAC || !CANNOT_FREE.has(errnoOf(error) ?? '')) {
      throw error
    }
    release.host.log.warning('the PF keeps administering a MAC for the VF: its driver cannot take it away', {
      device: release.record.deviceId,
      error: messageOf(error),
    })
  }
}

/** Records that the PF had administered its MAC, which shows only when the VF is refused its own. */
function noteAdministered({ host, record }: Release, releaseAdminMac: string): void {
  const phase = record.phase === 'attached' ? 'releasing' : record.phase
  noteAttachment(host.state, { ...record, phase, releaseAdminMac })
}

/** Restores the MAC of the VF and the one that its PF administers. @throws PluginError kind `kernel` */
export async function restoreMac(release: Release, link: Link, found: RecordedVf): Promise<void> {
  await restoreBothMacs(release, link, found)
  const { driver } = found.target
  if (isUnknownToPf(driver, found.original) && isUnknownToPf(driver, (await readRecordedVf(release)).vf)) {
    await reset(release, link)
  }
}

/**
 * Restores both MACs. When the PF's has changed, or the VF is refused its own, the PF's is removed first: while one is
 * administered, an untrusted VF may set no other.
 * @throws PluginError kind `kernel`
 */
async function restoreBothMacs(release: Release, link: Link, found: RecordedVf): Promise<void> {
  const { releaseAdminMac } = release.record
  const original = { vf: found.original, netdev: release.record.original.netdev }
  let wasAdministered =
    original.vf.mac !== ZERO_MAC &&
    (releaseAdminMac === undefined ? original.vf.mac !== original.netdev.mac : releaseAdminMac !== ZERO_MAC)
  const isUntouched = releaseAdminMac === undefined && (found.vf.mac === original.vf.mac || isOwnReport(release, found))
  if (isUntouched && link.mac === (original.netdev.mac ?? link.mac)) {
    return
  }
  if (isUntouched) {
    const couldSet = await setOwnMac(release, link)
    const { vf } = await readRecordedVf(release)
    if (couldSet && (vf.mac === original.vf.mac || isOwnReport(release, { ...found, vf }))) {
      return
    }
    if (!couldSet) {
      wasAdministered = true
      noteAdministered(release, original.vf.mac)
    }
  }
  const { target, vf } = await readRecordedVf(release)
  if (vf.mac !== ZERO_MAC) {
    await freeMac(pfWriter(release), target)
  }
  // Assume that the PF administers a MAC until proven otherwise: the next step may fail.
  let isAdministered = true
  try {
    isAdministered = !(await setOwnMac(release, link))
    if (isAdministered) {
      await administerOwnMac(release, link, target)
    }
  } finally {
    await restorePfMac(release, link, { isAdministered, wasAdministered })
  }
}

/** Restores the MAC of a device without a PF. @throws PluginError kind `kernel` when its driver refuses */
export async function restoreMacAlone(release: Release, link: Link): Promise<void> {
  if (!(await setOwnMac(release, link))) {
    const { record, target } = release
    throw new PluginError({
      kind: 'kernel',
      operation: `set mac ${record.original.netdev.mac}`,
      target,
      driver: record.driver,
      code: 'EADDRNOTAVAIL',
    })
  }
}

/**
 * Restores the address of an interface that is not Ethernet (IP over InfiniBand), where its driver allows that. Only
 * the pod can have changed it: ADD never writes one.
 */
export async function restoreOtherAddress({ host, hostRtnl, record, target }: Release, link: Link): Promise<void> {
  const { mac } = record.original.netdev
  if (mac === undefined || isSameAddress(mac, link.mac)) {
    return
  }
  try {
    await changeLink(hostRtnl, link.index, { mac }, { operation: `set address ${mac}`, target, driver: record.driver })
  } catch (error) {
    host.log.warning('the interface keeps the address that its pod gave it', {
      device: record.deviceId,
      error: messageOf(error),
    })
  }
}

/** Restores the MAC that the PF administers for a VF without an interface. @throws PluginError kind `kernel` */
export async function restorePfMacAlone(release: Release, { target, vf, original }: RecordedVf): Promise<void> {
  const { releaseAdminMac = original.mac } = release.record
  if (vf.mac !== releaseAdminMac) {
    await tellPfMac(release, target, releaseAdminMac)
  }
}
