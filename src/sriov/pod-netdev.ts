/** A VF's interface on its way into the pod, and up there. */
import type { ResultInterface } from '../cni/result.js'
import type { Link } from '../netlink/link.js'
import { bringUpByName, changeLink, removeAltNames, requireLink } from '../rtnl/link.js'
import { together } from '../rtnl/together.js'
import { noteAttachment } from '../state/attachments.js'
import { applyVfSteps } from './apply.js'
import { type Attachment, type Findings, type Progress, pfWriter, vfTarget } from './attachment.js'
import { adminMacToRelease, freeMac, mayNotSetMac, settleMac } from './mac.js'
import { moveNetdev } from './move.js'
import { planVf } from './plan.js'
import { podIfName } from './pod-names.js'
import { moveSecondIn } from './second-netdev.js'

/** Sets the MAC of an interface whose PF had administered another: that one goes first. */
async function setRefusedMac(attachment: Attachment, findings: Findings, index: number, mac: string): Promise<void> {
  const { podRtnl } = attachment
  const blame = {
    operation: `set mac ${mac}`,
    target: `${podIfName(attachment)} in ${podRtnl.netnsPath}`,
    driver: findings.driver,
  }
  const pf = vfTarget(attachment, findings)
  if (pf) {
    await freeMac(pfWriter(attachment), pf)
  }
  try {
    await changeLink(podRtnl, index, { mac }, blame)
  } catch (error) {
    // Some drivers apply it later, when the PF has told them: settleMac() waits for that.
    if (!pf || !mayNotSetMac(error)) {
      throw error
    }
  }
}

/** Off the host and into the pod, down, under its name there. Notes what to do with the PF's MAC before it is set. */
async function moveIn(attachment: Attachment, findings: Findings, netdev: Link, progress: Progress): Promise<void> {
  const { pfSide, driver } = findings
  const { host, conf, pod, hostRtnl, podRtnl } = attachment
  const name = podIfName(attachment)
  const { mac } = conf.vf
  const { mtu } = conf.netdev
  const { deviceId, releaseAdminMac } = progress.record
  const target = `${netdev.name} (${deviceId})`
  if (netdev.isUp) {
    await changeLink(hostRtnl, netdev.index, { isUp: false }, { operation: 'take it down', target, driver })
  }
  await removeAltNames(
    hostRtnl,
    netdev.index,
    netdev.altNames.filter((altName) => altName === name),
    target,
  )
  const { link, couldSetMac } = await moveNetdev({
    link: netdev,
    from: hostRtnl,
    to: podRtnl,
    into: pod,
    device: deviceId,
    driver,
    name,
    ...(mac !== undefined && { mac }),
    ...(mtu !== undefined && mtu !== netdev.mtu && { mtu }),
  })
  if (mac !== undefined && pfSide && releaseAdminMac === undefined) {
    progress.record = { ...progress.record, releaseAdminMac: adminMacToRelease(pfSide.vf, couldSetMac) }
    noteAttachment(host.files, conf.cniDir, progress.record)
  }
  if (mac !== undefined && !couldSetMac && link) {
    await setRefusedMac(attachment, findings, link.index, mac)
  }
}

/** Up in the pod, with the flags and the MAC that were asked for. */
async function bringUp(attachment: Attachment, { driver }: Findings): Promise<Link> {
  const { host, conf, podRtnl } = attachment
  const name = podIfName(attachment)
  const { promisc, allmulti } = conf.netdev
  const { mac } = conf.vf
  const target = `${name} in ${podRtnl.netnsPath}`
  const flags = {
    ...(promisc !== undefined && { isPromisc: promisc }),
    ...(allmulti !== undefined && { isAllmulti: allmulti }),
  }
  // Read after it: a MAC that the PF was told before may become the VF's when it comes up.
  const [, first] = await together([
    bringUpByName(podRtnl, name, flags, { operation: 'bring it up', target, driver }),
    requireLink(podRtnl, name),
  ])
  // It was read before, where the driver was busy at first.
  const link = first.isUp ? first : await requireLink(podRtnl, name)
  return mac === undefined || link.mac === mac
    ? link
    : settleMac(podRtnl, host.clock, { index: link.index, mac, target, driver })
}

/** The interfaces of a VF in the pod, as the result shows them, and the first one as it is. */
export interface PodNetdevs {
  readonly link: Link
  readonly interfaces: readonly ResultInterface[]
}

/**
 * Off the host, into the pod, the PF's settings made, and up.
 * @throws PluginError kinds `interfaceExists`, `kernel`
 */
export async function setUpNetdev(
  attachment: Attachment,
  findings: Findings,
  netdev: Link,
  progress: Progress,
): Promise<PodNetdevs> {
  const { conf, location, pod } = attachment
  await moveIn(attachment, findings, netdev, progress)
  const pf = vfTarget(attachment, findings)
  if (pf && findings.pfSide) {
    await applyVfSteps(pfWriter(attachment), pf, planVf(conf.vf, findings.pfSide.vf))
  }
  const link = await bringUp(attachment, findings)
  const other = findings.second && (await moveSecondIn(attachment, findings, findings.second))
  const { mac, mtu } = link
  const first = { name: podIfName(attachment), mac, mtu, sandbox: pod.path, pciID: location.address }
  return { link, interfaces: [first, ...(other ? [other] : [])] }
}
