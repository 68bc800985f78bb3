import { encodeAddressMessage } from '../../../src/netlink/address.js'
import {
  type Attribute,
  encodeAttributes,
  nestedAttribute,
  textAttribute,
  u32Attribute,
} from '../../../src/netlink/attribute.js'
import {
  IFA_ADDRESS,
  IFA_FLAGS,
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
  IFLA_PARENT_DEV_NAME,
  IFLA_PROP_LIST,
  IFLA_VF_INFO,
  IFLA_VFINFO_LIST,
  IFLA_XDP,
  IFLA_XDP_ATTACHED,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MSG,
} from '../../../src/netlink/constants.js'
import { IFLA_STATS64, IFLA_VF_STATS } from '../../../src/netlink/counters.js'
import { encodeLinkMessage } from '../../../src/netlink/link.js'
import { parseHardwareAddress } from '../../../src/netlink/mac.js'
import type { NetlinkMessage } from '../../../src/netlink/message.js'
import { encodeVfInfo } from '../../../src/netlink/vf-info.js'
import type { FakeCard } from '../machine/card.js'
import { errnoNumber, type FakeAddress, type FakeLink, Refused } from './links.js'

const ARPHRD_ETHER = 1
const UNKNOWN_ATTRIBUTE: Attribute = { type: 0x3001, payload: Buffer.from('new') }

function u64s(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8)
  for (const [i, value] of values.entries()) {
    bytes.writeBigUInt64LE(BigInt(value), i * 8)
  }
  return bytes
}

const vfStats = (values: readonly number[]): Attribute =>
  nestedAttribute(
    IFLA_VF_STATS,
    values.map((value, type) => ({ type, payload: u64s([value]) })),
  )

/** The VFs in reverse: a list position is no index. */
const vfList = ({ vfs }: FakeCard): Attribute =>
  nestedAttribute(
    IFLA_VFINFO_LIST,
    vfs
      .map(({ index, settings, unreported, traffic = [] }) => ({
        type: IFLA_VF_INFO,
        payload: Buffer.concat([
          encodeVfInfo({ ...settings, index, unreported }),
          ...(traffic.length === 0 ? [] : [encodeAttributes([vfStats(traffic)])]),
        ]),
      }))
      .reverse(),
  )

/** RTM_NEWLINK as the kernel reports an interface; with the VFs of `card` when that is given. `showsDevices`: since Linux 5.14. */
export function linkBytes(link: FakeLink, card?: FakeCard, showsDevices = true): Buffer {
  const { name, mac, mtu, maxMtu, altNames, parentDevice } = link
  return encodeLinkMessage({
    family: 0,
    linkType: ARPHRD_ETHER,
    index: link.index,
    flags:
      (link.isUp ? IFF_UP : 0) |
      (link.isPromisc ? IFF_PROMISC : 0) |
      (link.isAllmulti ? IFF_ALLMULTI : 0) |
      (link.hasArp === false ? IFF_NOARP : 0) |
      (link.isMulticast === false ? 0 : IFF_MULTICAST),
    change: 0,
    attributes: [
      textAttribute(IFLA_IFNAME, name),
      u32Attribute(IFLA_MTU, mtu),
      u32Attribute(IFLA_MAX_MTU, maxMtu),
      { type: IFLA_ADDRESS, payload: parseHardwareAddress(mac) ?? Buffer.alloc(6) },
      { type: IFLA_CARRIER, payload: Buffer.from([link.isUp && link.hasCarrier ? 1 : 0]) },
      UNKNOWN_ATTRIBUTE,
      ...(link.linkMode ? [{ type: IFLA_LINKMODE, payload: Buffer.from([link.linkMode]) }] : []),
      ...(link.traffic ? [{ type: IFLA_STATS64, payload: u64s(link.traffic) }] : []),
      ...(link.hasXdp ? [nestedAttribute(IFLA_XDP, [{ type: IFLA_XDP_ATTACHED, payload: Buffer.from([1]) }])] : []),
      ...(altNames.length > 0
        ? [
            nestedAttribute(
              IFLA_PROP_LIST,
              altNames.map((alt) => textAttribute(IFLA_ALT_IFNAME, alt)),
            ),
          ]
        : []),
      ...(parentDevice === undefined || !showsDevices ? [] : [textAttribute(IFLA_PARENT_DEV_NAME, parentDevice)]),
      ...(card ? [vfList(card)] : []),
    ],
  })
}

export const addressBytes = (interfaceIndex: number, { family, bytes, prefixLength, flags }: FakeAddress): Buffer =>
  encodeAddressMessage({
    family,
    prefixLength,
    flags,
    scope: 0,
    interfaceIndex,
    attributes: [{ type: IFA_ADDRESS, payload: bytes }, u32Attribute(IFA_FLAGS, flags)],
  })

type Header = Pick<NetlinkMessage, 'sequence' | 'portId'>

/** The acknowledgement of a request, capped, with the driver's words where there are some. */
export function acknowledgement({ sequence, portId }: Header, refused?: Refused): NetlinkMessage {
  const head = Buffer.alloc(4 + 16)
  head.writeInt32LE(refused ? -errnoNumber(refused.errno) : 0, 0)
  const { text } = refused ?? {}
  const attributes = text === undefined ? [] : [textAttribute(NLMSGERR_ATTR_MSG, text)]
  return {
    type: NLMSG_ERROR,
    flags: NLM_F_CAPPED | (attributes.length > 0 ? NLM_F_ACK_TLVS : 0),
    sequence,
    portId,
    payload: Buffer.concat([head, encodeAttributes(attributes)]),
  }
}

export const endOfDump = ({ sequence, portId }: Header): NetlinkMessage => ({
  type: NLMSG_DONE,
  flags: 2,
  sequence,
  portId,
  payload: Buffer.alloc(4),
})

/**
 * The messages with which the kernel answers one request: what `carryOut` finds, as messages of `answerType`, and an
 * acknowledgement or the end of the dump. A request without an answer type has no dump.
 */
export function answersTo(
  request: NetlinkMessage,
  answerType: number | undefined,
  carryOut: () => readonly Buffer[],
): NetlinkMessage[] {
  const { flags, sequence, portId } = request
  const isDump = (flags & NLM_F_DUMP) === NLM_F_DUMP && answerType !== undefined
  try {
    const found = carryOut().map((payload) => ({
      type: answerType ?? 0,
      flags: isDump ? NLM_F_MULTI : 0,
      sequence,
      portId,
      payload,
    }))
    return [...found, isDump ? endOfDump(request) : acknowledgement(request)]
  } catch (error) {
    if (error instanceof Refused) {
      return [acknowledgement(request, error)]
    }
    throw error
  }
}
