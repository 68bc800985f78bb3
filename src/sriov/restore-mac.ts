import type { Link } from '../netlink/link.js'
import { ZERO_MAC } from '../netlink/mac.js'
import { changeLink } from '../rtnl/link.js'
import { applyVfSteps, type VfTarget } from './apply.js'
import { freeMac, macStep, mayNotSetMac, settleMac } from './mac.js'
import { pfWriter, type Release, readRecordedVf, setUp } from './releasing.js'

/** Up and down: the VF's driver resets it, takes the PF's MAC, or tells the PF its own. */
async function reset(release: Release, link: Link): Promise<void> {
  await setUp(release, link, true)
  await setUp(release, link, false)
}

/**
 * Gives the interface its own MAC. Where the driver lets only the PF set it, the PF administers that MAC: the VF takes
 * it over with its next reset, or later by itself. Returns whether the PF does.
 */
async function restoreOwnMac(release: Release, link: Link, pf: VfTarget): Promise<boolean> {
  const { host, record, hostRtnl, target } = release
  const { netdev } = record.original
  const { driver } = record
  if (link.mac === netdev.mac) {
    return false
  }
  try {
    await changeLink(hostRtnl, link.index, { mac: netdev.mac }, { operation: `set mac ${netdev.mac}`, target, driver })
    return false
  } catch (error) {
    if (!mayNotSetMac(error)) {
      throw error
    }
    await applyVfSteps(pfWriter(release), pf, [macStep(netdev.mac)])
    await reset(release, link)
    await settleMac(hostRtnl, host.clock, { index: link.index, mac: netdev.mac, target, driver })
    return true
  }
}

/** Makes the PF hold what it held: the MAC it administered, or none, so that it shows what the VF tells it. */
async function restorePfMac(release: Release, link: Link, isAdministered: boolean): Promise<void> {
  const { original, releaseAdminMac } = release.record
  const { mac } = original.vf
  const wasAdministered = releaseAdminMac === undefined ? mac !== original.netdev.mac : releaseAdminMac !== ZERO_MAC
  const { target, vf: shown } = await readRecordedVf(release)
  let vf = shown
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
    await applyVfSteps(pfWriter(release), target, [macStep(mac)])
  }
}

/**
 * Gives a VF and its PF their MACs back. The PF's goes away first: while one is administered, an untrusted VF gets no
 * other. `shown` is what the PF shows now.
 * @throws PluginError kind `kernel`
 */
export async function restoreMac(release: Release, link: Link, shown: string): Promise<void> {
  const { original, releaseAdminMac } = release.record
  const isUntouched = releaseAdminMac === undefined && shown === original.vf.mac
  if (isUntouched && link.mac === original.netdev.mac) {
    return
  }
  const { target, vf } = await readRecordedVf(release)
  if (vf.mac !== ZERO_MAC) {
    await freeMac(pfWriter(release), target)
  }
  // As if it were: where the interface's MAC is refused half-way, the PF may administer one.
  let isAdministered = true
  try {
    isAdministered = await restoreOwnMac(release, link, target)
  } finally {
    await restorePfMac(release, link, isAdministered)
  }
}
