import { PluginError } from '../errors.js'
import type { Netns } from '../host/ports.js'
import type { Link } from '../netlink/link.js'
import { deviceExists, devPortOf, driverOf, netdevsOf } from '../pci/functions.js'
import { openRtnl, type Rtnl } from '../rtnl/connection.js'
import { changeLink, linkByName, removeAltNames } from '../rtnl/link.js'
import type { AttachmentRecord } from '../state/record.js'
import { findNetdev, moveNetdev, traceOf } from './move.js'
import { openRecordedNetns, searchRecordedNetns } from './pod-netns.js'
import type { Release } from './releasing.js'

/** The kernel takes a dead namespace apart in the background; its interfaces return within milliseconds. */
const NETNS_CLEANUP_TIMEOUT_MS = 3_000
const NETNS_CLEANUP_PAUSE_MS = 10

/** Any free name, chosen by the kernel (dev_alloc_name). */
const ANY_FREE_NAME = 'dev%d'

/** The name the interface is to have on the host: its old one, or any when that is taken by another interface. */
async function freeName({ host, record, hostRtnl }: Release, own?: Link): Promise<string> {
  const { name } = record.original.netdev
  const holder = await linkByName(hostRtnl, name)
  if (!holder || holder.index === own?.index) {
    return name
  }
  host.log.warning('the VF cannot have its old name, another interface has it by now', {
    device: record.deviceId,
    name,
  })
  return ANY_FREE_NAME
}

/** An alternative name that another interface of the host has by now would keep the kernel from moving this one. */
async function dropTakenAltNames({ hostRtnl, target }: Release, podRtnl: Rtnl, link: Link): Promise<void> {
  for (const name of link.altNames) {
    if (await linkByName(hostRtnl, name)) {
      await removeAltNames(podRtnl, link.index, [name], target)
    }
  }
}

/**
 * Moves the interface out of the pod, as quiet as it was; false when the pod does not have it. Both travel together. A
 * driver that does not take it down is no reason to leave it there: the move does that, too.
 */
async function moveOut(release: Release, podRtnl: Rtnl): Promise<boolean> {
  const { host, record, hostRtnl, target } = release
  const { original, deviceId, driver } = record
  const link = await findNetdev(podRtnl, traceOf(record))
  if (!link) {
    return false
  }
  await dropTakenAltNames(release, podRtnl, link)
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
    return true
  } finally {
    hostNetns.close()
  }
}

/** The same with a namespace, which is closed then, where there is one. */
async function moveOutOf(release: Release, pod: Netns | undefined): Promise<boolean> {
  if (!pod) {
    return false
  }
  try {
    const podRtnl = openRtnl(release.host, pod)
    try {
      return await moveOut(release, podRtnl)
    } finally {
      podRtnl.close()
    }
  } finally {
    pod.close()
  }
}

/** Down, and promiscuity as it was: a link that is up moves more slowly and cannot be renamed. */
async function quieten(rtnl: Rtnl, link: Link, { original, driver }: AttachmentRecord, target: string): Promise<void> {
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
 * The interface on the host, down, named and sized as it was; undefined when it has another name since sysfs was read.
 */
async function settleOnHost(release: Release, name: string): Promise<Link | undefined> {
  const { record, hostRtnl, target } = release
  const { original, driver, deviceId } = record
  const link = await linkByName(hostRtnl, name)
  if (!link || (link.parentDevice !== undefined && link.parentDevice !== deviceId)) {
    return undefined
  }
  await quieten(hostRtnl, link, record, target)
  const wantedName = link.name === original.netdev.name ? undefined : await freeName(release, link)
  if (wantedName !== undefined && wantedName !== ANY_FREE_NAME) {
    await removeAltNames(
      hostRtnl,
      link.index,
      link.altNames.filter((altName) => altName === wantedName),
      target,
    )
    const blame = { operation: `rename it to ${wantedName}`, target, driver }
    await changeLink(hostRtnl, link.index, { name: wantedName }, blame)
  }
  const { mtu } = original.netdev
  if (mtu !== undefined && link.mtu !== mtu) {
    await changeLink(hostRtnl, link.index, { mtu }, { operation: `set mtu ${mtu}`, target, driver })
  }
  return link
}

/** Why the interface of a VF that exists cannot be found. */
function lostMessage({ host, record, target }: Release): string {
  const driver = driverOf(host.files, record.deviceId)
  if (driver !== record.driver && record.driver !== '') {
    return `${target} is bound to ${driver ?? 'no driver'}, not to ${record.driver}, so it has no network interface; bind it back`
  }
  return `the interface of ${target} (driver ${driver}) is neither on the host nor in ${record.netns.path}; does a process still hold a namespace that has it?`
}

/**
 * Brings the interface of a VF back to the host wherever it is, down, with its old name and MTU; undefined when the
 * device itself is gone.
 * @throws PluginError kinds `device`, `kernel`
 */
export async function bringHome(release: Release): Promise<Link | undefined> {
  const { host, record, netnsPaths } = release
  const { deviceId } = record
  const deadline = host.clock.nowMs() + NETNS_CLEANUP_TIMEOUT_MS
  for (let isFirst = true; ; isFirst = false) {
    if (!deviceExists(host.files, deviceId)) {
      host.log.warning('the VF does not exist any more; nothing to give back', { device: deviceId })
      return undefined
    }
    const { devPort } = record.original.netdev
    const name = netdevsOf(host.files, deviceId).find(
      (one) => devPort === undefined || devPortOf(host.files, deviceId, one) === devPort,
    )
    const settled = name === undefined ? undefined : await settleOnHost(release, name)
    if (settled) {
      return settled
    }
    if (await moveOutOf(release, openRecordedNetns(host, record, netnsPaths))) {
      release.onAway?.()
      continue
    }
    const isLast = host.clock.nowMs() >= deadline
    // A search through all of /proc, so not every time; by names alone it could find another pod's interface.
    if ((isFirst || isLast) && record.original.netdev.isDeviceShown) {
      if (await moveOutOf(release, searchRecordedNetns(host, record))) {
        continue
      }
    }
    if (isLast) {
      throw new PluginError({ kind: 'device', message: lostMessage(release) })
    }
    await host.clock.sleep(NETNS_CLEANUP_PAUSE_MS)
  }
}
