/** A VF's interface on its way out of the pod. */
import type { Netns } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { netdevsOf } from '../../pci/functions.js'
import { openRtnl, type Rtnl } from '../../rtnl/connection.js'
import { pciDeviceOf } from '../../rtnl/device.js'
import { changeLink, linkByName } from '../../rtnl/link.js'
import type { AttachmentRecord } from '../../state/record.js'
import { dropAltNames, takenAltNames } from '../netdev/alt-names.js'
import { findNetdev, moveNetdev, traceOf } from '../netdev/move.js'
import type { Release } from './releasing.js'

/** Any free name, chosen by the kernel (dev_alloc_name). */
const ANY_FREE_NAME = 'dev%d'

/** Whether the interface can have its old name on the host: no other one has it by now. */
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

/** The name the interface is to have on the host: its old one, or the first `dev<N>` that is free. */
async function freeName(release: Release): Promise<string> {
  if (await isOldNameFree(release)) {
    return release.record.original.netdev.name
  }
  for (let number = 0; ; number += 1) {
    const name = `dev${number}`
    if (!(await linkByName(release.hostRtnl, name))) {
      return name
    }
  }
}

/**
 * Takes those alternative names away that are not to come home: what the pod added, and what another interface of the
 * host has by now, which would keep the kernel from moving this one. In the pod, for kernels before 6.6 do not find them
 * from the host.
 */
async function dropForeignAltNames(release: Release, podRtnl: Rtnl, link: Link): Promise<void> {
  const { host, hostRtnl, record, target } = release
  const { altNames: original = link.altNames } = record.original.netdev
  const taken = link.altNames.length === 0 ? [] : await takenAltNames(hostRtnl, link)
  const foreign = link.altNames.filter((name) => !original.includes(name) || taken.includes(name))
  await dropAltNames({ rtnl: podRtnl, log: host.log }, link, foreign, target)
}

/**
 * Sends an interface back that is not the one looked for: a pod that swaps its interfaces at the right moment gets one of
 * its own moved to the host.
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

/** Down, and promiscuity as it was: a link that is up moves more slowly and cannot be renamed. */
export async function quieten(
  rtnl: Rtnl,
  link: Link,
  { original, driver }: AttachmentRecord,
  target: string,
): Promise<void> {
  const { isPromisc, isAllmulti } = original.netdev
  if (link.isUp || link.isPromisc !== isPromisc || link.isAllmulti !== isAllmulti) {
    await changeLink(
      rtnl,
      link.index,
      { isUp: false, isPromisc, isAllmulti },
      { operation: 'take it down', target, driver },
    )
  }
}

/**
 * Moves the interface out of the pod, as quiet as it was; returns its name on the host, or undefined when the pod does not
 * have it. Both travel together. A driver that does not take it down is no reason to leave it there: the move does that,
 * too.
 */
async function moveOut(release: Release, pod: Netns, podRtnl: Rtnl): Promise<string | undefined> {
  const { host, record, hostRtnl, target } = release
  const { original, deviceId, driver } = record
  const link = await findNetdev(podRtnl, traceOf(record))
  if (!link) {
    return undefined
  }
  await dropForeignAltNames(release, podRtnl, link)
  const name = await freeName(release)
  const hostNetns = host.kernel.ownNetns()
  try {
    const [quiet, moved] = await Promise.allSettled([
      quieten(podRtnl, link, record, target),
      moveNetdev({
        link,
        from: podRtnl,
        to: hostRtnl,
        into: hostNetns,
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
    // Renamed at once by somebody on the host, or not the one.
    const arrived = await linkByName(hostRtnl, name)
    if (arrived && (await pciDeviceOf(hostRtnl, arrived)) !== deviceId) {
      await sendBack(release, arrived, pod)
      return undefined
    }
    return arrived && name
  } finally {
    hostNetns.close()
  }
}

/**
 * Moves the interface of a VF out of a namespace, where there is one; it is closed then. Returns the interface's name on
 * the host, undefined when the namespace does not have it.
 * @throws PluginError kind `kernel`
 */
export async function moveOutOf(release: Release, pod: Netns | undefined): Promise<string | undefined> {
  if (!pod) {
    return undefined
  }
  try {
    const podRtnl = openRtnl(release.host, pod)
    try {
      return await moveOut(release, pod, podRtnl)
    } finally {
      podRtnl.close()
    }
  } finally {
    pod.close()
  }
}
