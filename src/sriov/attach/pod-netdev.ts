/** Moves a VF's interface into the pod, and brings it up there. */
import type { ResultInterface } from '../../cni/result.js'
import type { Link } from '../../netlink/link.js'
import { changeLink, requireLink } from '../../rtnl/link.js'
import { noteAttachment } from '../../state/attachments.js'
import { dropAltNames } from '../netdev/alt-names.js'
import { type Move, moveNetdev } from '../netdev/move.js'
import { podIfName } from '../netdev/pod-names.js'
import { applyVfSteps } from '../pf/apply.js'
import { adminMacToRelease, freeMac, isUnknownToPf, mayNotSetMac, settleMac, trySetMac } from '../pf/mac.js'
import { planVf } from '../pf/plan.js'
import { type Attachment, type Findings, type Progress, pfWriter, vfTarget } from './attachment.js'
import { moveSecondIn } from './second-netdev.js'

/** Takes the interface down, and removes an alternative name that equals its name in the pod. */
async function prepare(attachment: Attachment, { driver }: Findings, netdev: Link, target: string): Promise<void> {
  const { host, hostRtnl } = attachment
  const name = podIfName(attachment)
  if (netdev.isUp) {
    await changeLink(hostRtnl, netdev.index, { isUp: false }, { operation: 'take it down', target, driver })
  }
  const equal = netdev.altNames.filter((altName) => altName === name)
  await dropAltNames({ rtnl: hostRtnl, log: host.log }, netdev, equal, target)
}

/**
 * Sets the MAC that the VF's driver has refused while the PF administers another. Removes the administered MAC first.
 */
async function setRefusedMac(
  attachment: Attachment,
  findings: Findings,
  { index }: Link,
  { mac, target }: { readonly mac: string; readonly target: string },
): Promise<void> {
  const { driver } = findings
  const pf = vfTarget(attachment, findings)
  if (pf) {
    await freeMac(pfWriter(attachment), pf)
  }
  try {
    await changeLink(attachment.hostRtnl, index, { mac }, { operation: `set mac ${mac}`, target, driver })
  } catch (error) {
    // Some drivers apply it later, once the PF has told them. settleMac() waits for that.
    if (!pf || !mayNotSetMac(error)) {
      throw error
    }
  }
}

/**
 * Sets the MAC through the VF's driver, before the PF is told one. Notes what the PF is told on release, which depends
 * on whether the driver could set it.
 */
async function setOwnMac(
  attachment: Attachment,
  findings: Findings,
  netdev: Link,
  { mac, target, progress }: { readonly mac: string; readonly target: string; readonly progress: Progress },
): Promise<void> {
  const { host, hostRtnl } = attachment
  const { pfSide, driver } = findings
  const couldSetMac = await trySetMac(hostRtnl, netdev.index, mac, { target, driver })
  if (pfSide && progress.record.releaseAdminMac === undefined) {
    progress.record = { ...progress.record, releaseAdminMac: adminMacToRelease(pfSide.vf, couldSetMac) }
    await noteAttachment(host.state, progress.record)
  }
  if (!couldSetMac) {
    await setRefusedMac(attachment, findings, netdev, { mac, target })
  }
}

/** Takes the interface down and up again: the VF's driver resets the VF. */
async function resetInPod({ podRtnl }: Attachment, { driver }: Findings, { index, name }: Link): Promise<void> {
  const target = `${name} in ${podRtnl.netnsPath}`
  await changeLink(podRtnl, index, { isUp: false }, { operation: 'take it down', target, driver })
  await changeLink(podRtnl, index, { isUp: true }, { operation: 'bring it up', target, driver })
}

async function moveIn(attachment: Attachment, findings: Findings, netdev: Link): Promise<Link> {
  const { host, conf, location, pod, hostRtnl, podRtnl } = attachment
  const { driver } = findings
  const name = podIfName(attachment)
  const { mtu, promisc, allmulti } = conf.netdev
  const { mac } = conf.vf
  const move: Move = {
    link: netdev,
    from: hostRtnl,
    to: podRtnl,
    into: pod,
    device: location.address,
    driver,
    name,
    ...(mtu !== undefined && mtu !== netdev.mtu && { mtu }),
    up: {
      ...(promisc !== undefined && { isPromisc: promisc }),
      ...(allmulti !== undefined && { isAllmulti: allmulti }),
    },
  }
  await host.phases.during('move', () => moveNetdev(move))
  // Read the link after the move: a MAC that the PF was told may become the VF's when it comes up.
  let link = await requireLink(podRtnl, name)
  if (location.vf && findings.pfSide && isUnknownToPf(location.vf.pf.driver, findings.pfSide.vf)) {
    await resetInPod(attachment, findings, link)
    link = await requireLink(podRtnl, name)
  }
  const target = `${name} in ${podRtnl.netnsPath}`
  return mac === undefined || link.mac === mac
    ? link
    : settleMac(podRtnl, host.clock, { index: link.index, mac, target, driver })
}

/** The interface in the pod as the result shows it. */
export const podInterface = (attachment: Attachment, { mac, mtu }: Pick<Link, 'mac' | 'mtu'>): ResultInterface => ({
  name: podIfName(attachment),
  mac,
  mtu,
  sandbox: attachment.pod.path,
  pciID: attachment.location.address,
})

/** The interfaces of a VF in the pod as the result shows them, and the link of the first one. */
export interface PodNetdevs {
  readonly link: Link
  readonly interfaces: readonly ResultInterface[]
}

/**
 * Makes all settings while the interface is still on the host and down. Then moves it into the pod, where it comes up.
 * @throws PluginError kinds `interfaceExists`, `kernel`
 */
export async function setUpNetdev(
  attachment: Attachment,
  findings: Findings,
  netdev: Link,
  progress: Progress,
): Promise<PodNetdevs> {
  const { conf, location } = attachment
  const { mac: wantedMac } = conf.vf
  const target = `${netdev.name} (${location.address})`
  await prepare(attachment, findings, netdev, target)
  if (wantedMac !== undefined) {
    await setOwnMac(attachment, findings, netdev, { mac: wantedMac, target, progress })
  }
  const pf = vfTarget(attachment, findings)
  if (pf && findings.pfSide) {
    await applyVfSteps(pfWriter(attachment), pf, planVf(conf.vf, findings.pfSide.vf))
  }
  const link = await moveIn(attachment, findings, netdev)
  const other = findings.second && (await moveSecondIn(attachment, findings, findings.second))
  return { link, interfaces: [podInterface(attachment, link), ...(other ? [other] : [])] }
}
