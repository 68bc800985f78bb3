import { errnoOf, messageOf, PluginError } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { isSameAddress, ZERO_MAC } from '../../netlink/mac.js'
import { changeLink } from '../../rtnl/link.js'
import { noteAttachment } from '../../state/attachments.js'
import { applyVfSteps, type VfTarget } from '../pf/apply.js'
import { freeMac, isUnknownToPf, macStep, settleMac, trySetMac } from '../pf/mac.js'
import { type MacFacts, type MacStep, type MacTrial, planMacRestore } from './plan-mac.js'
import { pfWriter, type RecordedVf, type Release, readRecordedVf, setLinkUp } from './releasing.js'

/** Takes the interface up and down: its driver resets the VF, which takes the PF's MAC or tells the PF its own. */
async function reset(release: Release, link: Link): Promise<void> {
  await setLinkUp(release, link, true)
  await setLinkUp(release, link, false)
}

/** Sets the interface's own MAC, unless it had that when it came home. @throws PluginError kind `kernel` */
async function setOwnMac({ hostRtnl, record, target }: Release, link: Link): Promise<MacTrial> {
  const { mac } = record.original.netdev
  if (mac === undefined || link.mac === mac) {
    return 'taken'
  }
  return (await trySetMac(hostRtnl, link.index, mac, { target, driver: record.driver })) ? 'taken' : 'refused'
}

/** Makes the PF administer the interface's own MAC. The VF takes it with its next reset, or later by itself. */
async function administerOwnMac(release: Release, link: Link): Promise<void> {
  const { host, record, hostRtnl, target } = release
  const { mac = link.mac } = record.original.netdev
  const { target: pf } = await readRecordedVf(release)
  await applyVfSteps(pfWriter(release), pf, [macStep(mac)])
  await reset(release, link)
  await settleMac(hostRtnl, host.clock, { index: link.index, mac, target, driver: record.driver })
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
async function noteAdministered({ host, record }: Release, releaseAdminMac: string): Promise<void> {
  const phase = record.phase === 'attached' ? 'releasing' : record.phase
  await noteAttachment(host.state, { ...record, phase, releaseAdminMac })
}

/** Executes one step of a plan; the trials are not here. @throws PluginError kind `kernel` */
async function execute(release: Release, link: Link, step: MacStep): Promise<void> {
  const { target, vf, original } = await readRecordedVf(release)
  const isShown = vf.mac === original.mac
  if (step === 'note') {
    await noteAdministered(release, original.mac)
  } else if (step === 'free') {
    await freeMac(pfWriter(release), target)
  } else if (step === 'reset-unless-shown' && !isShown) {
    await reset(release, link)
  } else if (step === 'tell' || (step === 'tell-unless-shown' && !isShown)) {
    await tellPfMac(release, target, original.mac)
  }
}

async function executeAll(release: Release, link: Link, steps: readonly MacStep[]): Promise<void> {
  for (const step of steps) {
    await execute(release, link, step)
  }
}

/** What decides how the MACs are restored. `link` is the interface as it came home. */
const factsOf = ({ record }: Release, link: Link, { vf, original }: RecordedVf): MacFacts => ({
  original: { pf: original.mac, own: record.original.netdev.mac },
  now: { pf: vf.mac, own: link.mac },
  noted: record.releaseAdminMac,
})

/**
 * Restores both MACs as `planMacRestore` says.
 * @throws PluginError kind `kernel`; the PF's MAC is restored all the same once it was changed
 */
async function restoreBothMacs(release: Release, link: Link, found: RecordedVf): Promise<void> {
  const factsNow = async () => factsOf(release, link, await readRecordedVf(release))
  let facts = factsOf(release, link, found)
  let steps = planMacRestore(facts)
  if (steps.includes('try')) {
    const trial = await setOwnMac(release, link)
    facts = { ...(await factsNow()), trial }
    steps = planMacRestore(facts)
  }
  if (!steps.includes('try-freed')) {
    return
  }
  await executeAll(release, link, steps)
  // Refused until proven otherwise: the next step may fail.
  let trialFreed: MacTrial = 'refused'
  try {
    trialFreed = await setOwnMac(release, link)
    if (trialFreed === 'refused') {
      await administerOwnMac(release, link)
    }
  } finally {
    await executeAll(release, link, planMacRestore({ ...facts, ...(await factsNow()), trialFreed }))
  }
}

/** Restores the MAC of the VF and the one that its PF administers. @throws PluginError kind `kernel` */
export async function restoreMac(release: Release, link: Link, found: RecordedVf): Promise<void> {
  await restoreBothMacs(release, link, found)
  const { driver } = found.target
  if (isUnknownToPf(driver, found.original) && isUnknownToPf(driver, (await readRecordedVf(release)).vf)) {
    await reset(release, link)
  }
}

/** Restores the MAC of a device without a PF. @throws PluginError kind `kernel` when its driver refuses */
export async function restoreMacAlone(release: Release, link: Link): Promise<void> {
  if ((await setOwnMac(release, link)) === 'refused') {
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
