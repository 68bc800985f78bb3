import { payloadOf, textOf, u32Of } from '../../../src/netlink/attribute.js'
import {
  IFF_ALLMULTI,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_IFNAME,
  IFLA_LINKMODE,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  IFLA_XDP,
} from '../../../src/netlink/constants.js'
import type { LinkMessage } from '../../../src/netlink/link.js'
import { formatHardwareAddress, isMac, isUnicastMac, parseHardwareAddress } from '../../../src/netlink/mac.js'
import { resetDownVf, resetVf, tellPfOwnMac } from '../machine/card.js'
import type { FakeWorld } from '../machine/world.js'
import { type FakeLink, type FakeNetns, findByName, freeName, nextIndex, Refused } from './links.js'

function takenName(netns: FakeNetns, link: FakeLink, name: string): boolean {
  const holder = findByName(netns, name)
  return holder !== undefined && !(holder === link && link.name === name)
}

/** dev_change_net_namespace() of net/core/dev.c: `pattern` counts only where the old name is taken. */
function move(from: FakeNetns, to: FakeNetns, link: FakeLink, pattern: string | undefined): void {
  if (findByName(to, link.name)) {
    if (pattern === undefined || findByName(to, pattern)) {
      throw new Refused('EEXIST')
    }
    link.name = freeName(to, pattern)
  }
  if (!to.altNames && link.altNames.some((name) => findByName(to, name))) {
    throw new Refused('EEXIST')
  }
  from.links.splice(from.links.indexOf(link), 1)
  to.links.push(link)
  Object.assign(link, { isUp: false, addresses: [], routes: [] })
  if (to.links.some((other) => other !== link && other.index === link.index)) {
    link.index = nextIndex()
  }
}

/** The VF whose MAC an interface has; that of a second port is another matter. */
const vfBehind = (world: FakeWorld, { parentDevice, devPort = 0 }: FakeLink) =>
  devPort === 0 ? world.vfAt(parentDevice) : undefined

function setMac(world: FakeWorld, link: FakeLink, bytes: Buffer): void {
  if (bytes.length !== parseHardwareAddress(link.mac)?.length) {
    throw new Refused('EINVAL')
  }
  const mac = formatHardwareAddress(bytes)
  if (!isMac(mac)) {
    // ipoib_set_mac(): the GUID, while it is down.
    if (link.isUp) {
      throw new Refused('EBUSY')
    }
    link.mac = mac
    return
  }
  if (!isUnicastMac(bytes)) {
    throw new Refused('EADDRNOTAVAIL')
  }
  const found = vfBehind(world, link)
  if (found) {
    tellPfOwnMac(found.card, found.vf, mac)
  }
  link.mac = mac
}

function setFlags(world: FakeWorld, link: FakeLink, { flags, change }: LinkMessage): void {
  const bit = (mask: number, old: boolean) => (change & mask ? (flags & mask) !== 0 : old)
  const wasUp = link.isUp
  link.isUp = bit(IFF_UP, link.isUp)
  link.isPromisc = bit(IFF_PROMISC, link.isPromisc)
  link.isAllmulti = bit(IFF_ALLMULTI, link.isAllmulti)
  if (change & IFF_NOARP) {
    link.hasArp = (flags & IFF_NOARP) === 0
  }
  if (change & IFF_MULTICAST) {
    link.isMulticast = (flags & IFF_MULTICAST) !== 0
  }
  if (!link.isUp) {
    link.routes = []
  }
  const found = vfBehind(world, link)
  if (found && link.isUp && !wasUp) {
    link.mac = resetVf(found.card, found.vf, link.mac)
  }
  if (found && wasUp && !link.isUp) {
    resetDownVf(found.card, found.vf, link.mac)
  }
}

/**
 * do_setlink() of net/core/rtnetlink.c: move, MAC, MTU, name, flags; the first refusal ends it and what came before
 * stays. `netnsOf` resolves the descriptor of IFLA_NET_NS_FD.
 */
export function setLink(
  world: FakeWorld,
  netns: FakeNetns,
  message: LinkMessage,
  netnsOf: (fd: number) => FakeNetns | undefined,
): void {
  const { index, attributes } = message
  const given = textOf(attributes, IFLA_IFNAME)
  const link = index > 0 ? netns.links.find((one) => one.index === index) : findByName(netns, given ?? '')
  if (!link) {
    throw new Refused('ENODEV')
  }
  // Without an index the name says which interface is meant (__rtnl_newlink).
  const name = index > 0 ? given : undefined
  const fd = u32Of(attributes, IFLA_NET_NS_FD)
  let home = netns
  if (fd !== undefined) {
    const to = netnsOf(fd)
    if (!to) {
      throw new Refused('EBADF')
    }
    if (to !== netns) {
      move(netns, to, link, name)
    }
    home = to
  }
  const mac = payloadOf(attributes, IFLA_ADDRESS)
  if (mac) {
    setMac(world, link, mac)
  }
  const mtu = u32Of(attributes, IFLA_MTU)
  if (mtu !== undefined) {
    if (link.hasXdp) {
      // As ixgbevf.
      throw new Refused('EPERM')
    }
    if (mtu < 68 || (link.maxMtu !== 0 && mtu > link.maxMtu)) {
      throw new Refused('EINVAL', 'mtu out of range')
    }
    link.mtu = mtu
  }
  if (name !== undefined && name !== link.name) {
    if (Buffer.byteLength(name) > 15 || takenName(home, link, name)) {
      throw new Refused(Buffer.byteLength(name) > 15 ? 'EINVAL' : 'EEXIST')
    }
    link.name = freeName(home, name)
  }
  if (message.flags !== 0 || message.change !== 0) {
    setFlags(world, link, message)
  }
  const [linkMode] = payloadOf(attributes, IFLA_LINKMODE) ?? []
  if (linkMode !== undefined) {
    link.linkMode = linkMode
  }
  if (payloadOf(attributes, IFLA_XDP)) {
    link.hasXdp = false
  }
}
