import {
  type Attribute,
  atLeast,
  cString,
  decodeAttributes,
  encodeAttributes,
  payloadOf,
  textAttribute,
  u32Attribute,
  visitAttributes,
} from './attribute.js'
import {
  IFF_ALLMULTI,
  IFF_PROMISC,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_ALT_IFNAME,
  IFLA_CARRIER,
  IFLA_IFNAME,
  IFLA_MAX_MTU,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  IFLA_PARENT_DEV_NAME,
  IFLA_PROP_LIST,
  IFLA_VFINFO_LIST,
  IFLA_XDP,
  IFLA_XDP_ATTACHED,
  NLA_TYPE_MASK,
} from './constants.js'
import { formatHardwareAddress, parseHardwareAddress } from './mac.js'
import { endOfVfList } from './vf-info.js'

const HEADER_BYTES = 16

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** struct ifinfomsg and its attributes, uninterpreted. */
export interface LinkMessage {
  readonly family: number
  readonly linkType: number
  readonly index: number
  readonly flags: number
  readonly change: number
  readonly attributes: readonly Attribute[]
}

/**
 * A network interface. `mac` is its hardware address, which has 20 bytes for IP over InfiniBand. `mtu` and `maxMtu` are
 * in bytes; `maxMtu` is 0 when the driver states none.
 */
export interface Link {
  readonly index: number
  readonly name: string
  readonly mac: string
  readonly mtu: number
  readonly maxMtu: number
  readonly isUp: boolean
  readonly isPromisc: boolean
  readonly isAllmulti: boolean
  readonly hasCarrier: boolean
  readonly altNames: readonly string[]
  /** The device behind the interface. Absent on kernels before 5.14 and for virtual interfaces; see pciDeviceOf(). */
  readonly parentDevice?: string
  /** Whether an XDP program is attached, as AF_XDP sockets need one. */
  readonly hasXdp?: boolean
  /** The IFLA_VFINFO_LIST, if it was requested; see findVfInfo(). */
  readonly vfList?: Buffer
}

export function encodeLinkMessage(message: LinkMessage): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt8(message.family, 0)
  header.writeUInt16LE(message.linkType, 2)
  header.writeInt32LE(message.index, 4)
  header.writeUInt32LE(message.flags, 8)
  header.writeUInt32LE(message.change, 12)
  return Buffer.concat([header, encodeAttributes(message.attributes)])
}

/** @throws PluginError kind `wire` when the bytes are malformed. */
export function decodeLinkMessage(payload: Buffer): LinkMessage {
  atLeast(payload, HEADER_BYTES, 'link message')
  return {
    family: payload.readUInt8(0),
    linkType: payload.readUInt16LE(2),
    index: payload.readInt32LE(4),
    flags: payload.readUInt32LE(8),
    change: payload.readUInt32LE(12),
    attributes: decodeAttributes(payload.subarray(HEADER_BYTES)),
  }
}

const altNamesIn = (properties: Buffer): string[] =>
  decodeAttributes(properties)
    .filter(({ type }) => (type & NLA_TYPE_MASK) === IFLA_ALT_IFNAME)
    .map(({ payload }) => cString(payload))

/**
 * Reads the interface from a link message. One pass suffices: of some sixty attributes few are needed.
 * @throws PluginError kind `wire` when it is malformed.
 */
export function linkOf(message: Buffer): Link {
  const flags = atLeast(message, HEADER_BYTES, 'link message').readUInt32LE(8)
  const link: Mutable<Link> = {
    index: message.readInt32LE(4),
    name: '',
    mac: '',
    mtu: 0,
    maxMtu: 0,
    isUp: (flags & IFF_UP) !== 0,
    isPromisc: (flags & IFF_PROMISC) !== 0,
    isAllmulti: (flags & IFF_ALLMULTI) !== 0,
    hasCarrier: false,
    altNames: [],
  }
  const visit = (type: number, start: number, end: number) => {
    const payload = () => message.subarray(start, end)
    switch (type & NLA_TYPE_MASK) {
      case IFLA_IFNAME:
        link.name = cString(payload())
        break
      case IFLA_ADDRESS:
        link.mac = formatHardwareAddress(payload())
        break
      case IFLA_MTU:
        link.mtu = atLeast(payload(), 4, 'MTU').readUInt32LE(0)
        break
      case IFLA_MAX_MTU:
        link.maxMtu = atLeast(payload(), 4, 'maximum MTU').readUInt32LE(0)
        break
      case IFLA_CARRIER:
        link.hasCarrier = payload()[0] === 1
        break
      case IFLA_PARENT_DEV_NAME:
        link.parentDevice = cString(payload())
        break
      case IFLA_XDP:
        link.hasXdp = (payloadOf(decodeAttributes(payload()), IFLA_XDP_ATTACHED)?.[0] ?? 0) !== 0
        break
      case IFLA_PROP_LIST:
        link.altNames = altNamesIn(payload())
        break
      case IFLA_VFINFO_LIST:
        link.vfList = payload()
        break
    }
  }
  visitAttributes(message, HEADER_BYTES, visit, (type, start) =>
    (type & NLA_TYPE_MASK) === IFLA_VFINFO_LIST ? endOfVfList(message, start) : undefined,
  )
  return link
}

/** Changes to an interface that fit in one message. Only the given keys are sent. */
export interface LinkChange {
  readonly netnsFd?: number
  readonly name?: string
  readonly mac?: string
  readonly mtu?: number
  readonly isUp?: boolean
  readonly isPromisc?: boolean
  readonly isAllmulti?: boolean
}

/** The message that makes a change. The kernel applies it in this order: move, MAC, MTU, name, flags (do_setlink). */
export function linkChangeMessage(index: number, change: LinkChange): LinkMessage {
  const flag = (wanted: boolean | undefined, bit: number) => ({
    value: wanted ? bit : 0,
    mask: wanted === undefined ? 0 : bit,
  })
  const flags = [flag(change.isUp, IFF_UP), flag(change.isPromisc, IFF_PROMISC), flag(change.isAllmulti, IFF_ALLMULTI)]
  const mac = change.mac === undefined ? undefined : parseHardwareAddress(change.mac)
  return {
    family: 0,
    linkType: 0,
    index,
    flags: flags.reduce((bits, { value }) => bits | value, 0),
    change: flags.reduce((bits, { mask }) => bits | mask, 0),
    attributes: [
      ...(change.netnsFd === undefined ? [] : [u32Attribute(IFLA_NET_NS_FD, change.netnsFd)]),
      ...(mac ? [{ type: IFLA_ADDRESS, payload: mac }] : []),
      ...(change.mtu === undefined ? [] : [u32Attribute(IFLA_MTU, change.mtu)]),
      ...(change.name === undefined ? [] : [textAttribute(IFLA_IFNAME, change.name)]),
    ],
  }
}
