import { type Attribute, align4, atLeast, decodeAttributes, encodeAttributes, nestedAttribute } from './attribute.js'
import {
  ETH_P_8021AD,
  ETH_P_8021Q,
  IFLA_VF_INFO,
  IFLA_VF_LINK_STATE,
  IFLA_VF_MAC,
  IFLA_VF_RATE,
  IFLA_VF_SPOOFCHK,
  IFLA_VF_TRUST,
  IFLA_VF_TX_RATE,
  IFLA_VF_VLAN,
  IFLA_VF_VLAN_INFO,
  IFLA_VF_VLAN_LIST,
  IFLA_VFINFO_LIST,
  NLA_TYPE_MASK,
} from './constants.js'
import { formatMac, parseMac, ZERO_MAC } from './mac.js'

export type VlanProto = '802.1q' | '802.1ad'
export type LinkState = 'auto' | 'enable' | 'disable'

/** The settings that a PF holds for one VF. `vlan` 0 means untagged. Rates are in Mbit/s; 0 means unlimited. */
export interface VfSettings {
  readonly mac: string
  readonly vlan: number
  readonly vlanQoS: number
  readonly vlanProto: VlanProto
  readonly minTxRateMbps: number
  readonly maxTxRateMbps: number
  readonly spoofchk: boolean
  readonly trust: boolean
  readonly linkState: LinkState
}

/**
 * The settings of VF `index` as the PF's driver reports them. `unreported` names the settings that it does not report.
 */
export interface VfInfo extends VfSettings {
  readonly index: number
  readonly unreported: readonly (keyof VfSettings)[]
}

/** Changes to one VF in one message. VLAN, QoS and protocol share one attribute, and both rates share another. */
export interface VfChange {
  readonly mac?: string
  readonly vlan?: Pick<VfSettings, 'vlan' | 'vlanQoS' | 'vlanProto'>
  readonly rate?: Pick<VfSettings, 'minTxRateMbps' | 'maxTxRateMbps'>
  readonly spoofchk?: boolean
  readonly linkState?: LinkState
  readonly trust?: boolean
}

const LINK_STATES: readonly LinkState[] = ['auto', 'enable', 'disable']
const MAC_FIELD_BYTES = 32

/** (u32)-1 means that the PF's driver does not know (rtnl_fill_vfinfo in net/core/rtnetlink.c). */
const UNKNOWN = 0xffffffff

function reader(attributes: readonly Attribute[]) {
  return (type: number, bytes: number): Buffer | undefined => {
    const found = attributes.find((attribute) => (attribute.type & NLA_TYPE_MASK) === type)
    return found && atLeast(found.payload, bytes, `VF attribute ${type}`)
  }
}

/**
 * Reads one IFLA_VF_INFO. The index is the `vf` field inside, not the position in the list. Source: struct ifla_vf_* in
 * include/uapi/linux/if_link.h.
 * @throws PluginError kind `wire` when an attribute is too short or the index is missing.
 */
export function decodeVfInfo(payload: Buffer): VfInfo {
  const read = reader(decodeAttributes(payload))
  const mac = atLeast(read(IFLA_VF_MAC, 4 + 6) ?? Buffer.alloc(0), 10, 'VF MAC')
  const vlan = read(IFLA_VF_VLAN, 12)
  const vlanList = read(IFLA_VF_VLAN_LIST, 0)
  const vlanInfo = vlanList && decodeAttributes(vlanList)[0]?.payload
  const rate = read(IFLA_VF_RATE, 12)
  const legacyRate = read(IFLA_VF_TX_RATE, 8)
  const spoofchk = read(IFLA_VF_SPOOFCHK, 8)?.readUInt32LE(4) ?? UNKNOWN
  const trust = read(IFLA_VF_TRUST, 8)?.readUInt32LE(4) ?? UNKNOWN
  const linkState = LINK_STATES[read(IFLA_VF_LINK_STATE, 8)?.readUInt32LE(4) ?? UNKNOWN]
  return {
    index: mac.readUInt32LE(0),
    mac: formatMac(mac.subarray(4)),
    vlan: vlan?.readUInt32LE(4) ?? 0,
    vlanQoS: vlan?.readUInt32LE(8) ?? 0,
    vlanProto: vlanInfo && atLeast(vlanInfo, 14, 'VF VLAN').readUInt16BE(12) === ETH_P_8021AD ? '802.1ad' : '802.1q',
    minTxRateMbps: rate?.readUInt32LE(4) ?? 0,
    maxTxRateMbps: rate?.readUInt32LE(8) ?? legacyRate?.readUInt32LE(4) ?? 0,
    spoofchk: spoofchk === 1,
    trust: trust === 1,
    linkState: linkState ?? 'auto',
    unreported: [
      ...(spoofchk === UNKNOWN ? (['spoofchk'] as const) : []),
      ...(trust === UNKNOWN ? (['trust'] as const) : []),
      ...(linkState === undefined ? (['linkState'] as const) : []),
    ],
  }
}

const ATTRIBUTE_HEADER_BYTES = 4

/**
 * The offset in a link message where an IFLA_VFINFO_LIST ends: behind its last IFLA_VF_INFO. `start` is the offset of
 * its payload. Its own 16-bit length is useless: with some three hundred VFs the kernel lets it overflow (nla_nest_end
 * in include/net/netlink.h). IFLA_VF_INFO and a link's IFLA_ADDRESS have one number: their content tells them apart.
 */
export function endOfVfList(message: Buffer, start: number): number {
  let end = start
  while (message.length - end >= 2 * ATTRIBUTE_HEADER_BYTES) {
    const length = message.readUInt16LE(end)
    const type = message.readUInt16LE(end + 2) & NLA_TYPE_MASK
    const firstLength = message.readUInt16LE(end + ATTRIBUTE_HEADER_BYTES)
    const firstType = message.readUInt16LE(end + ATTRIBUTE_HEADER_BYTES + 2) & NLA_TYPE_MASK
    const isInfo = type === IFLA_VF_INFO && firstType === IFLA_VF_MAC && firstLength + ATTRIBUTE_HEADER_BYTES <= length
    if (!isInfo || end + length > message.length) {
      break
    }
    end += align4(length)
  }
  return end
}

/** The content of each IFLA_VF_INFO in an IFLA_VFINFO_LIST. @throws PluginError kind `wire` */
export const vfInfosIn = (list: Buffer): Buffer[] =>
  decodeAttributes(list)
    .filter(({ type }) => (type & NLA_TYPE_MASK) === IFLA_VF_INFO)
    .map(({ payload }) => payload)

/** Reads an IFLA_VFINFO_LIST. @throws PluginError kind `wire` */
export const decodeVfInfoList = (list: Buffer): VfInfo[] => vfInfosIn(list).map(decodeVfInfo)

/**
 * Reads the index alone. IFLA_VF_MAC comes first and begins with the index (rtnl_fill_vfinfo): attribute header, then
 * `vf`.
 */
const quickIndex = (info: Buffer): number | undefined =>
  info.length >= 8 && (info.readUInt16LE(2) & NLA_TYPE_MASK) === IFLA_VF_MAC ? info.readUInt32LE(4) : undefined

/**
 * The settings of one VF in an IFLA_VFINFO_LIST; undefined when it is not listed. Avoids decoding the hundreds of other
 * VFs.
 * @throws PluginError kind `wire`
 */
export function findVfInfo(list: Buffer, index: number): VfInfo | undefined {
  const infos = vfInfosIn(list)
  const quick = infos.find((info) => quickIndex(info) === index)
  return quick ? decodeVfInfo(quick) : infos.map(decodeVfInfo).find((vf) => vf.index === index)
}

/**
 * The index of another VF in an IFLA_VFINFO_LIST that has this MAC; undefined when none has it.
 * @throws PluginError kind `wire`
 */
export function otherVfWithMac(list: Buffer, index: number, mac: string): number | undefined {
  const wanted = parseMac(mac) ?? Buffer.alloc(0)
  // The MAC follows the index, in the first attribute.
  const hasMac = (info: Buffer) => info.length >= 14 && info.subarray(8, 14).equals(wanted)
  return vfInfosIn(list)
    .filter(hasMac)
    .map(quickIndex)
    .find((other) => other !== undefined && other !== index)
}

const words = (type: number, ...values: number[]): Attribute => {
  const payload = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => {
    payload.writeUInt32LE(value, i * 4)
  })
  return { type, payload }
}

function macAttribute(index: number, mac: string): Attribute {
  const payload = Buffer.alloc(4 + MAC_FIELD_BYTES)
  payload.writeUInt32LE(index, 0)
  parseMac(mac)?.copy(payload, 4)
  return { type: IFLA_VF_MAC, payload }
}

function vlanAttribute(index: number, { vlan, vlanQoS, vlanProto }: NonNullable<VfChange['vlan']>): Attribute {
  const info = words(IFLA_VF_VLAN_INFO, index, vlan, vlanQoS, 0)
  info.payload.writeUInt16BE(vlanProto === '802.1ad' ? ETH_P_8021AD : ETH_P_8021Q, 12)
  return nestedAttribute(IFLA_VF_VLAN_LIST, [info])
}

/**
 * The IFLA_VFINFO_LIST that makes a change. The kernel applies the settings in its own order. It stops at the first
 * refusal and does not undo earlier settings (do_setvfinfo in net/core/rtnetlink.c).
 */
export function vfChangeAttribute(index: number, change: VfChange): Attribute {
  const { mac, vlan, rate, spoofchk, linkState, trust } = change
  const info = [
    ...(mac === undefined ? [] : [macAttribute(index, mac)]),
    ...(vlan === undefined ? [] : [vlanAttribute(index, vlan)]),
    ...(rate === undefined ? [] : [words(IFLA_VF_RATE, index, rate.minTxRateMbps, rate.maxTxRateMbps)]),
    ...(spoofchk === undefined ? [] : [words(IFLA_VF_SPOOFCHK, index, Number(spoofchk))]),
    ...(linkState === undefined ? [] : [words(IFLA_VF_LINK_STATE, index, LINK_STATES.indexOf(linkState))]),
    ...(trust === undefined ? [] : [words(IFLA_VF_TRUST, index, Number(trust))]),
  ]
  return nestedAttribute(IFLA_VFINFO_LIST, [nestedAttribute(IFLA_VF_INFO, info)])
}

/** One IFLA_VF_INFO as a PF's driver writes it: the inverse of decodeVfInfo(), for the fake kernel and the tests. */
export function encodeVfInfo(info: VfInfo): Buffer {
  const known = (name: keyof VfSettings, value: number) => (info.unreported.includes(name) ? UNKNOWN : value)
  const { index, vlan, vlanQoS, minTxRateMbps, maxTxRateMbps } = info
  return encodeAttributes([
    macAttribute(index, info.mac === '' ? ZERO_MAC : info.mac),
    words(IFLA_VF_VLAN, index, vlan, vlanQoS),
    vlanAttribute(index, info),
    words(IFLA_VF_TX_RATE, index, maxTxRateMbps),
    words(IFLA_VF_RATE, index, minTxRateMbps, maxTxRateMbps),
    words(IFLA_VF_SPOOFCHK, index, known('spoofchk', Number(info.spoofchk))),
    words(IFLA_VF_LINK_STATE, index, known('linkState', LINK_STATES.indexOf(info.linkState))),
    words(IFLA_VF_TRUST, index, known('trust', Number(info.trust))),
  ])
}
