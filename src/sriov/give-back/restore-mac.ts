import { errnoOf, messageOf, PluginError } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { isSameAddress, ZERO_MAC } from '../../netlink/mac.js'
import { changeLink } from '../../rtnl/link.js'
import { noteAttachment } from '../../state/attachments.js'
import { applyVfSteps, type VfTarget } from '../pf/apply.js'
import { freeMac, isUnknownToPf, macStep, settleMac, trySetMac } from '../pf/mac.js'
import { pfWriter, type RecordedVf, type Release, readRecordedVf, setLinkUp } from './releasing.js'

/** Up and down: the VF's driver resets it, takes the PF's MAC, or tells the PF its own. */
async function reset(release: Release, link: Link): Promise<void> {
  await setLinkUp(release, link, true)
  await setLinkUp(release, link, false)
}

/** Gives the interface its own MAC; false when its driver lets only the PF set it. */
async function setOwnMac({ hostRtnl, record, target }: Release, link: Link): Promise<boolean> {
  const { mac } = record.original.netdev
  if (mac === undefined || link.mac === mac) {
    return true
  }
  return trySetMac(hostRtnl, link.index, mac, { target, driver: record.driver })
}

/** Lets the PF administer the interface's own MAC: the VF takes it over with its next reset, or later by itself. */
async function administerOwnMac(release: Release, link: Link, pf: VfTarget): Promise<void> {
  const { host, record, hostRtnl, target } = release
  const { mac = link.mac } = record.original.netdev
  await applyVfSteps(pfWriter(release), pf, [macStep(mac)])
  await reset(release, link)
  await settleMac(hostRtnl, host.clock, { index: link.index, mac, target, driver: record.driver })
}

/** What the PF administers now (`isAdministered`), and did before us. */
interface Administration {
  readonly isAdministered: boolean
  readonly wasAdministered: boolean
}

/**
 * Whether the PF, which showed no MAC for the VF before the ADD, now shows the VF's own: the VF has told it since (igb,
 * ixgbe). A PF that is made to forget it sends the VF no frames any more: igbvf does not tell its MAC again when it comes
 * up.
 */
const isOwnReport = ({ record }: Release, { vf, original }: Pick<RecordedVf, 'vf' | 'original'>): boolean =>
  original.mac === ZERO_MAC && vf.mac === record.original.netdev.mac

/** Makes the PF hold what it held: the MAC it administered, or none, so that it shows what the VF tells it. */
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

/** Errors of drivers that know no way to take an administered MAC away (qede, be2net, older ixgbe). */
const CANNOT_FREE = new Set(['EINVAL', 'EOPNOTSUPP'])

/** Tells the PF a MAC. A driver that takes no zero MAC goes on to administer one: more cannot be given back. */
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

/** Notes that the PF had administered its MAC, which only shows when the VF is refused its own. */
function noteAdministered({ host, record }: Release, releaseAdminMac: string): void {
  const phase = record.phase === 'attached' ? 'releasing' : record.phase
  noteAttachment(host.state, { ...record, phase, releaseAdminMac })
}

/** Gives a VF and its PF their MACs back. @throws PluginError kind `kernel` */
export async function restoreMac(release: Release, link: Link, found: RecordedVf): Promise<void> {
  await restoreBothMacs(release, link, found)
  const { driver } = found.target
  if (isUnknownToPf(driver, found.original) && isUnknownToPf(driver, (await readRecordedVf(release)).vf)) {
    await reset(release, link)
  }
}

/**
 * The MAC of the VF and what its PF holds. Where the PF's is not as it was, or the VF is refused its own, the PF's goes
 * away first: while one is administered, an untrusted VF gets no other.
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
  // As if it were: where the interface's MAC is refused half-way, the PF may administer one.
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

/** Gives a device without a PF its MAC back. @throws PluginError kind `kernel` when its driver refuses */
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
 * Gives an interface that is not Ethernet (IP over InfiniBand) its address back, where its driver takes it: we never write
 * one, so only the pod can have changed it.
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

/** Gives the PF its MAC for a VF that has no interface to show it. @throws PluginError kind `kernel` */
export async function restorePfMacAlone(release: Release, { target, vf, original }: RecordedVf): Promise<void> {
  const { releaseAdminMac = original.mac } = release.record
  if (vf.mac !== releaseAdminMac) {
    await tellPfMac(release, target, releaseAdminMac)
  }
}
