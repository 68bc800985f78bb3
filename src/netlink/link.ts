import {
  type Attribute,
  atLeast,
  cString,
  decodeAttributes,
  encodeAttributes,
  nestedAttribute,
  payloadOf,
  textAttribute,
  u32Attribute,
  u32Of,
  visitAttributes,
} from './attribute.js'
import {
  IFF_ALLMULTI,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_ALT_IFNAME,
  IFLA_CARRIER,
  IFLA_IFNAME,
  IFLA_LINKMODE,
  IFLA_MAX_MTU,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  IFLA_PARENT_DEV_NAME,
  IFLA_PROP_LIST,
  IFLA_VFINFO_LIST,
  IFLA_XDP,
  IFLA_XDP_ATTACHED,
  IFLA_XDP_DRV_PROG_ID,
  IFLA_XDP_FD,
  IFLA_XDP_FLAGS,
  IFLA_XDP_HW_PROG_ID,
  IFLA_XDP_SKB_PROG_ID,
  NLA_TYPE_MASK,
  XDP_FLAGS_DRV_MODE,
  XDP_FLAGS_HW_MODE,
  XDP_FLAGS_SKB_MODE,
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
  /** Whether it asks for addresses of neighbours. */
  readonly hasArp: boolean
  readonly isMulticast: boolean
  /** Not 0: a program says when it may be used, and until then it does without IPv6 (RFC 2863, "dormant"). */
  readonly linkMode: number
  /** Where XDP programs are attached, as AF_XDP sockets need one: a flag XDP_FLAGS_*_MODE for each. Absent for none. */
  readonly xdpModes?: readonly number[]
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

/** Each mode as IFLA_XDP_ATTACHED says it when it is the only one, and with its program (include/uapi/linux/if_link.h). */
const XDP_MODES = [
  { attached: 1, programId: IFLA_XDP_DRV_PROG_ID, mode: XDP_FLAGS_DRV_MODE },
  { attached: 2, programId: IFLA_XDP_SKB_PROG_ID, mode: XDP_FLAGS_SKB_MODE },
  { attached: 3, programId: IFLA_XDP_HW_PROG_ID, mode: XDP_FLAGS_HW_MODE },
] as const

function addXdpModes(link: Mutable<Link>, payload: Buffer): void {
  const attributes = decodeAttributes(payload)
  const attached = payloadOf(attributes, IFLA_XDP_ATTACHED)?.[0] ?? 0
  const modes = XDP_MODES.filter((one) => one.attached === attached || (u32Of(attributes, one.programId) ?? 0) !== 0)
  if (attached !== 0) {
    // A way of attaching that is not known here counts as all.
    link.xdpModes = (modes.length > 0 ? modes : XDP_MODES).map(({ mode }) => mode)
  }
}

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
    hasArp: (flags & IFF_NOARP) === 0,
    isMulticast: (flags & IFF_MULTICAST) !== 0,
    hasCarrier: false,
    linkMode: 0,
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
      case IFLA_LINKMODE:
        link.linkMode = payload()[0] ?? 0
        break
      case IFLA_PARENT_DEV_NAME:
        link.parentDevice = cString(payload())
        break
      case IFLA_XDP:
        addXdpModes(link, payload())
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

/** -1 as the kernel reads it. */
const NO_FD = 0xffff_ffff

/** Changes to an interface that fit in one message. Only the given keys are sent. */
export interface LinkChange {
  readonly netnsFd?: number
  readonly name?: string
  readonly mac?: string
  readonly mtu?: number
  readonly isUp?: boolean
  readonly isPromisc?: boolean
  readonly isAllmulti?: boolean
  readonly hasArp?: boolean
  readonly isMulticast?: boolean
  readonly linkMode?: number
  /** The mode whose XDP program is detached. */
  readonly xdpOff?: number
}

/** The message that makes a change. The kernel applies it in this order: move, MAC, MTU, name, flags, link mode, XDP (do_setlink). */
export function linkChangeMessage(index: number, change: LinkChange): LinkMessage {
  const flag = (wanted: boolean | undefined, bit: number) => ({
    value: wanted ? bit : 0,
    mask: wanted === undefined ? 0 : bit,
  })
  const flags = [
    flag(change.isUp, IFF_UP),
    flag(change.isPromisc, IFF_PROMISC),
    flag(change.isAllmulti, IFF_ALLMULTI),
    flag(change.hasArp === undefined ? undefined : !change.hasArp, IFF_NOARP),
    flag(change.isMulticast, IFF_MULTICAST),
  ]
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
      ...(change.linkMode === undefined ? [] : [{ type: IFLA_LINKMODE, payload: Buffer.from([change.linkMode]) }]),
      ...(change.xdpOff === undefined
        ? []
        : [nestedAttribute(IFLA_XDP, [u32Attribute(IFLA_XDP_FD, NO_FD), u32Attribute(IFLA_XDP_FLAGS, change.xdpOff)])]),
    ],
  }
}
