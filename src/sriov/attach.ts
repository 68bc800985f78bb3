import type { CniResult } from '../cni/result.js'
import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import { ipamCall, type PendingIpam, startIpamAdd } from '../ipam.js'
import type { Link } from '../netlink/link.js'
import { openRtnl } from '../rtnl/connection.js'
import { bringUpByName, changeLink, removeAltNames, requireLink } from '../rtnl/link.js'
import { commitAttachment, commitIntent, noteAttachment } from '../state/attachments.js'
import { writeMark } from '../state/marks.js'
import type { AttachmentRecord } from '../state/record.js'
import { configureAddresses } from './addresses.js'
import { applyVfSteps, type PfWriter, type VfTarget } from './apply.js'
import { type Attachment, type AttachRequest, type Findings, inspect, intentOf } from './inspect.js'
import { describeDevice } from './locate.js'
import { adminMacToRelease, freeMac, mayNotSetMac, settleMac } from './mac.js'
import { moveNetdev } from './move.js'
import { requireNoRival } from './occupancy.js'
import { planVf } from './plan.js'
import { podIfName } from './pod-names.js'
import { releaseAttachment } from './release.js'
import { setUpRepresentor } from './representor.js'
import { moveSecondIn } from './second-netdev.js'

/** How far an ADD has come: the record as it is on disk, and the IPAM plugin once it was started. */
interface Progress {
  record: AttachmentRecord
  lease?: PendingIpam
}

/** IPAM plugins that work on the interface in the pod; all others run while it is being moved. */
const NEED_INTERFACE = new Set(['dhcp'])

/** Starts the IPAM plugin, where there is one and its time has come. @throws PluginError kind `ipam` */
function startLease({ host, ipam, lock }: Attachment, progress: Progress, hasInterface: boolean): void {
  if (ipam && !progress.lease && NEED_INTERFACE.has(ipam.type) === hasInterface) {
    progress.lease = startIpamAdd(host, ipam, lock)
  }
}

/** The PF that is to be told something; undefined where there is none. */
const vfTarget = ({ location: { vf } }: Attachment, { pfSide }: Findings): VfTarget | undefined =>
  vf &&
  pfSide && {
    pfName: vf.pf.name,
    pfAddress: vf.pf.address,
    pfIndex: pfSide.pf.index,
    vfIndex: vf.index,
    driver: vf.pf.driver,
  }

const pfWriter = ({ host, conf, hostRtnl }: Attachment): PfWriter => ({ host, cniDir: conf.cniDir, rtnl: hostRtnl })

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
async function moveIn(attachment: Attachment, findings: Findings, progress: Progress): Promise<void> {
  const { netdev, pfSide, driver } = findings
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
  await bringUpByName(podRtnl, name, flags, { operation: 'bring it up', target, driver })
  // Read again now: a MAC that the PF was told before may become the VF's when it comes up.
  const link = await requireLink(podRtnl, name)
  return mac === undefined || link.mac === mac
    ? link
    : settleMac(podRtnl, host.clock, { index: link.index, mac, target, driver })
}

async function change(attachment: Attachment, findings: Findings, progress: Progress): Promise<CniResult> {
  const { host, conf, location, pod, podRtnl } = attachment
  await moveIn(attachment, findings, progress)
  const pf = vfTarget(attachment, findings)
  if (pf && findings.pfSide) {
    await applyVfSteps(pfWriter(attachment), pf, planVf(conf.vf, findings.pfSide.vf))
  }
  const link = await bringUp(attachment, findings)
  const { representor, second } = findings
  const other = second && (await moveSecondIn(attachment, findings, second))
  const port = representor && (await setUpRepresentor(attachment.hostRtnl, representor, link.mtu))
  startLease(attachment, progress, true)
  const leased = await progress.lease?.result()
  if (leased) {
    await configureAddresses(host, { netns: pod, rtnl: podRtnl, link }, leased)
  }
  return {
    interfaces: [
      { name: podIfName(attachment), mac: link.mac, mtu: link.mtu, sandbox: pod.path, pciID: location.address },
      ...(other ? [other] : []),
      ...(port ? [port] : []),
    ],
    ips: (leased?.ips ?? []).map((ip) => ({ ...ip, interface: 0 })),
    routes: leased?.routes ?? [],
    dns: leased && Object.keys(leased.dns).length > 0 ? leased.dns : (conf.dns ?? {}),
  }
}

/**
 * Whether there is surely no lease: no ADD was started, or the plugin said itself that it failed. One that was killed,
 * or whose answer was no result, may have left a lease.
 */
async function isLeaseRefused(lease: PendingIpam | undefined): Promise<boolean> {
  try {
    await lease?.result()
    return lease === undefined
  } catch (error) {
    return error instanceof PluginError && error.fault.kind === 'ipam' && error.fault.isRefusal === true
  }
}

/** Undoes an ADD that failed. What cannot be undone is logged, and its record stays for the next DEL or GC. */
async function undo({ host, conf, location, pod, ipam }: Attachment, { record, lease }: Progress): Promise<void> {
  try {
    await releaseAttachment(host, conf.cniDir, record, {
      ipam,
      isLeaseRefused: await isLeaseRefused(lease),
      // Open since the ADD began: a path may have gone meanwhile.
      netnsPaths: [`/proc/self/fd/${pod.fd}`],
    })
  } catch (error) {
    host.log.error('a failed ADD could not be undone entirely; the next DEL goes on', {
      device: describeDevice(location),
      error: messageOf(error),
    })
  }
}

async function attachWith(attachment: Attachment): Promise<CniResult> {
  const { host, conf, pod } = attachment
  const findings = await inspect(attachment)
  const intent = intentOf(attachment, findings)
  commitIntent(host.files, conf.cniDir, intent)
  const progress: Progress = { record: intent }
  try {
    writeMark(host.files, conf.cniDir, intent.deviceId, pod.path)
    await requireNoRival(host, conf.cniDir, attachment.location)
    startLease(attachment, progress, false)
    const result = await change(attachment, findings, progress)
    commitAttachment(host.files, conf.cniDir, { ...progress.record, phase: 'attached', result: { ...result } })
    return result
  } catch (error) {
    await undo(attachment, progress)
    throw error
  }
}

/**
 * Gives a free VF to a pod: intent on disk, changes, record on disk. The caller holds the lock of the VF and has made
 * sure that nobody else uses it.
 * @throws PluginError with everything undone
 */
export async function attachVf(host: Host, request: AttachRequest): Promise<CniResult> {
  const { ipamType, text } = request.conf
  const ipam = ipamType === undefined ? undefined : ipamCall(ipamType, text, request.args.environment)
  const hostRtnl = openRtnl(host)
  try {
    const podRtnl = openRtnl(host, request.pod)
    try {
      return await attachWith({ ...request, ...(ipam && { ipam }), host, hostRtnl, podRtnl })
    } finally {
      podRtnl.close()
    }
  } finally {
    hostRtnl.close()
  }
}
