/** Moves the interface of a VF out of the pod. */
import type { Netns, OpenedNetns } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { netdevsOf } from '../../pci/functions.js'
import { openRtnl, type Rtnl } from '../../rtnl/connection.js'
import { pciDeviceOf } from '../../rtnl/device.js'
import { changeLink, linkByName } from '../../rtnl/link.js'
import type { AttachmentRecord } from '../../state/record.js'
import { dropAltNames, takenAltNames } from '../netdev/alt-names.js'
import { findNetdev, freeDevName, moveNetdev, traceOf } from '../netdev/move.js'
import { detachXdp } from '../netdev/xdp.js'
import type { Release } from './releasing.js'

/** Any free name, chosen by the kernel (dev_alloc_name). */
const ANY_FREE_NAME = 'dev%d'

/** Whether no other interface of the host has the old name. */
export async function isOldNameFree({ host, record, hostRtnl }: Release, own?: Link): Promise<boolean> {
  const { name } = record.original.netdev
  const holder = await linkByName(hostRtnl, name)
  if (!holder || holder.index === own?.index) {
    return true
  }
  host.log.warning('the VF cannot have its old name, another interface has it by now', {
    device: record.deviceId,
    name,
  })
  return false
}

/** The name for the interface on the host: its old one, or the first free `dev<N>`. */
async function freeName(release: Release): Promise<string> {
  if (await isOldNameFree(release)) {
    return release.record.original.netdev.name
  }
  return freeDevName(release.hostRtnl)
}

/**
 * Removes alternative names that must not come home: those that the pod added, and those that another interface of the
 * host has taken, because the kernel would refuse the move. It happens in the pod: from the host, kernels before 6.6 do
 * not find these names.
 */
async function dropForeignAltNames(release: Release, podRtnl: Rtnl, link: Link): Promise<void> {
  const { host, hostRtnl, record, target } = release
  const { altNames: original = link.altNames } = record.original.netdev
  const taken = link.altNames.length === 0 ? [] : await takenAltNames(hostRtnl, link)
  const foreign = link.altNames.filter((name) => !original.includes(name) || taken.includes(name))
  await dropAltNames({ rtnl: podRtnl, log: host.log }, link, foreign, target)
}

/**
 * Sends an interface back that is not the VF's. A pod that swaps its interfaces at the right moment gets one of its own
 * moved to the host.
 */
async function sendBack({ host, hostRtnl, target }: Release, { index, name }: Link, pod: Netns): Promise<void> {
  host.log.warning('the pod has put another interface into the place of its VF; it goes back', {
    device: target,
    interface: name,
    netns: pod.path,
  })
  await changeLink(
    hostRtnl,
    index,
    { netnsFd: pod.fd, name: ANY_FREE_NAME },
    { operation: `send it back into ${pod.path}`, target: name },
  )
}

/** Takes the interface down and restores its flags. A link that is up moves more slowly and cannot be renamed. */
export async function quieten(
  rtnl: Rtnl,
  link: Link,
  { original, driver }: AttachmentRecord,
  target: string,
): Promise<void> {
  const { isPromisc, isAllmulti, hasArp = true, isMulticast = true, linkMode = 0 } = original.netdev
  const unusual = {
    ...(link.hasArp !== hasArp && { hasArp }),
    ...(link.isMulticast !== isMulticast && { isMulticast }),
    ...(link.linkMode !== linkMode && { linkMode }),
  }
  const isOther = link.isPromisc !== isPromisc || link.isAllmulti !== isAllmulti || Object.keys(unusual).length > 0
  if (link.isUp || isOther) {
    await changeLink(
      rtnl,
      link.index,
      { isUp: false, isPromisc, isAllmulti, ...unusual },
      { operation: 'take it down', target, driver },
    )
  }
}

/**
 * Takes the interface down and moves it out of the pod, both in one datagram. Returns its name on the host; undefined
 * when the pod does not have it. When the driver refuses to take it down, the move still goes on: it takes the
 * interface down, too.
 */
async function moveOut(release: Release, pod: Netns, podRtnl: Rtnl): Promise<string | undefined> {
  const { host, record, hostRtnl, target } = release
  const { original, deviceId, driver } = record
  const link = await findNetdev(podRtnl, traceOf(record))
  if (!link) {
    return undefined
  }
  await dropForeignAltNames(release, podRtnl, link)
  await detachXdp({ rtnl: podRtnl, log: host.log }, link, record, target)
  const name = await freeName(release)
  // Before the requests: an error between them would leave the first without anybody who waits for it.
  const into = host.kernel.ownNetns()
  void host.kernel.duringRequest(release.duringMove)
  const [quiet, moved] = await Promise.allSettled([
    quieten(podRtnl, link, record, target),
    moveNetdev({
      link,
      from: podRtnl,
      to: hostRtnl,
      into,
      device: deviceId,
      driver,
      name,
      ...(original.netdev.mtu !== undefined && link.mtu !== original.netdev.mtu && { mtu: original.netdev.mtu }),
    }),
  ])
  if (moved.status === 'rejected') {
    throw quiet.status === 'rejected' ? quiet.reason : moved.reason
  }
  if (netdevsOf(host.files, deviceId).includes(name)) {
    return name
  }
  // Either somebody on the host renamed it at once, or another interface came.
  const arrived = await linkByName(hostRtnl, name)
  if (arrived && (await pciDeviceOf(hostRtnl, arrived)) !== deviceId) {
    await sendBack(release, arrived, pod)
    return undefined
  }
  return arrived && name
}

/**
 * Moves the interface of a VF out of a namespace and closes the namespace. Returns the name of the interface on the
 * host; undefined when there is no namespace, or it does not have the interface.
 * @throws PluginError kind `kernel`
 */
export async function moveOutOf(release: Release, opened: OpenedNetns | undefined): Promise<string | undefined> {
  using pod = opened
  if (!pod) {
    return undefined
  }
  using podRtnl = openRtnl(release.host, pod)
  return await moveOut(release, pod, podRtnl)
}
