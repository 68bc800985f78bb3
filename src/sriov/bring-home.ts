import { PluginError } from '../errors.js'
import type { Netns } from '../host/ports.js'
import type { Link } from '../netlink/link.js'
import { deviceExists, driverOf, netdevsOf } from '../pci/functions.js'
import { openRtnl, type Rtnl } from '../rtnl/connection.js'
import { changeLink, linkByName, requireLink } from '../rtnl/link.js'
import type { AttachmentRecord } from '../state/record.js'
import { findNetdev, moveNetdev } from './move.js'
import { openRecordedNetns } from './ownership.js'
import type { Release } from './releasing.js'

/** The kernel takes a dead namespace apart in the background; its interfaces return within milliseconds. */
const NETNS_CLEANUP_TIMEOUT_MS = 3_000
const NETNS_CLEANUP_PAUSE_MS = 10

/** Any free name, chosen by the kernel (dev_alloc_name). */
const ANY_FREE_NAME = 'dev%d'

/** The name the interface is to have on the host: its old one, or any when that is taken by another device. */
async function freeName({ host, record, hostRtnl }: Release): Promise<string> {
  const { name } = record.original.netdev
  const holder = await linkByName(hostRtnl, name)
  if (!holder || netdevsOf(host.files, record.deviceId).includes(holder.name)) {
    return name
  }
  host.log.warning('the VF cannot have its old name, another interface has it by now', {
    device: record.deviceId,
    name,
  })
  return ANY_FREE_NAME
}

/** Moves the interface out of the pod, as quiet as it was; undefined when the pod does not have it. */
async function moveOut(release: Release, pod: Netns): Promise<Link | undefined> {
  const { host, record, hostRtnl, target } = release
  const { original, deviceId, ifName, driver } = record
  const podRtnl = openRtnl(host, pod)
  const hostNetns = host.kernel.ownNetns()
  try {
    const link = await findNetdev(podRtnl, deviceId, [ifName, original.netdev.name])
    if (!link) {
      return undefined
    }
    await quieten(podRtnl, link, record, target)
    const name = await freeName(release)
    const { link: moved } = await moveNetdev({
      link,
      from: podRtnl,
      to: hostRtnl,
      into: hostNetns,
      device: deviceId,
      driver,
      name,
      ...(link.mtu !== original.netdev.mtu && { mtu: original.netdev.mtu }),
    })
    return moved
  } finally {
    hostNetns.close()
    podRtnl.close()
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

/** The interface on the host, named and sized as it was. */
async function settleOnHost(release: Release, name: string): Promise<Link> {
  const { record, hostRtnl, target } = release
  const { original, driver } = record
  const link = await requireLink(hostRtnl, name)
  await quieten(hostRtnl, link, record, target)
  const wantedName = link.name === original.netdev.name ? undefined : await freeName(release)
  const isMtuOff = link.mtu !== original.netdev.mtu
  if (isMtuOff || (wantedName !== undefined && wantedName !== ANY_FREE_NAME)) {
    await changeLink(
      hostRtnl,
      link.index,
      {
        ...(wantedName !== undefined && wantedName !== ANY_FREE_NAME && { name: wantedName }),
        ...(isMtuOff && { mtu: original.netdev.mtu }),
      },
      { operation: 'restore its name and MTU', target, driver },
    )
  }
  return link
}

/**
 * Brings the interface of a VF back to the host wherever it is, down, with its old name and MTU; undefined when the
 * device itself is gone.
 * @throws PluginError kinds `device`, `kernel`
 */
export async function bringHome(release: Release): Promise<Link | undefined> {
  const { host, record, target } = release
  const { deviceId } = record
  const deadline = host.clock.nowMs() + NETNS_CLEANUP_TIMEOUT_MS
  for (;;) {
    if (!deviceExists(host.files, deviceId)) {
      host.log.warning('the VF does not exist any more; nothing to give back', { device: deviceId })
      return undefined
    }
    const [name] = netdevsOf(host.files, deviceId)
    if (name !== undefined) {
      return settleOnHost(release, name)
    }
    const pod = openRecordedNetns(host, record)
    try {
      const moved = pod && (await moveOut(release, pod))
      if (moved) {
        return moved
      }
    } finally {
      pod?.close()
    }
    if (host.clock.nowMs() >= deadline) {
      throw new PluginError({
        kind: 'device',
        message:
          driverOf(host.files, deviceId) === undefined
            ? `${target} is bound to no driver, so it has no network interface`
            : `the interface of ${target} is neither on the host nor in ${record.netns.path}; does a process still run in a namespace that has it?`,
      })
    }
    await host.clock.sleep(NETNS_CLEANUP_PAUSE_MS)
  }
}
