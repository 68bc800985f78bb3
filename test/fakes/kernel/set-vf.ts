import { type Attribute, decodeAttributes, findAttribute, payloadOf } from '../../../src/netlink/attribute.js'
import {
  ETH_P_8021AD,
  IFLA_VF_INFO,
  IFLA_VF_LINK_STATE,
  IFLA_VF_MAC,
  IFLA_VF_RATE,
  IFLA_VF_SPOOFCHK,
  IFLA_VF_TRUST,
  IFLA_VF_VLAN_LIST,
  IFLA_VFINFO_LIST,
  NLA_TYPE_MASK,
} from '../../../src/netlink/constants.js'
import { formatMac, ZERO_MAC } from '../../../src/netlink/mac.js'
import type { VfChange } from '../../../src/netlink/vf-info.js'
import { applyVfSetting, type FakeCard } from '../machine/card.js'
import type { FakeWorld } from '../machine/world.js'
import { Refused } from './links.js'

interface ReadChange {
  readonly index: number
  readonly change: VfChange
}

const STATES = ['auto', 'enable', 'disable'] as const

function readVlan(list: Buffer): ReadChange {
  const info = decodeAttributes(list)[0]?.payload ?? Buffer.alloc(14)
  return {
    index: info.readUInt32LE(0),
    change: {
      vlan: {
        vlan: info.readUInt32LE(4),
        vlanQoS: info.readUInt32LE(8),
        vlanProto: info.readUInt16BE(12) === ETH_P_8021AD ? '802.1ad' : '802.1q',
      },
    },
  }
}

/** The settings of one IFLA_VF_INFO in the order of do_setvfinfo() in net/core/rtnetlink.c. */
function readChanges(info: readonly Attribute[]): ReadChange[] {
  const at = (type: number, read: (bytes: Buffer) => VfChange): ReadChange[] => {
    const bytes = payloadOf(info, type)
    return bytes ? [{ index: bytes.readUInt32LE(0), change: read(bytes) }] : []
  }
  const vlans = payloadOf(info, IFLA_VF_VLAN_LIST)
  return [
    ...at(IFLA_VF_MAC, (bytes) => ({ mac: formatMac(bytes.subarray(4, 10)) })),
    ...(vlans ? [readVlan(vlans)] : []),
    ...at(IFLA_VF_RATE, (bytes) => ({
      rate: { minTxRateMbps: bytes.readUInt32LE(4), maxTxRateMbps: bytes.readUInt32LE(8) },
    })),
    ...at(IFLA_VF_SPOOFCHK, (bytes) => ({ spoofchk: bytes.readUInt32LE(4) === 1 })),
    ...at(IFLA_VF_LINK_STATE, (bytes) => ({ linkState: STATES[bytes.readUInt32LE(4)] ?? 'auto' })),
    ...at(IFLA_VF_TRUST, (bytes) => ({ trust: bytes.readUInt32LE(4) === 1 })),
  ]
}

/** Applies an IFLA_VFINFO_LIST to a card; the first refusal ends it and what came before stays. */
export function setVfs(world: FakeWorld, card: FakeCard | undefined, attributes: readonly Attribute[]): void {
  const list = findAttribute(attributes, IFLA_VFINFO_LIST)
  if (!list) {
    return
  }
  if (!card) {
    throw new Refused('EOPNOTSUPP')
  }
  for (const { type, payload } of decodeAttributes(list.payload)) {
    if ((type & NLA_TYPE_MASK) !== IFLA_VF_INFO) {
      throw new Refused('EINVAL')
    }
    for (const { index, change } of readChanges(decodeAttributes(payload))) {
      const vf = card.vfs.find((one) => one.index === index)
      if (!vf) {
        throw new Refused('EINVAL', 'no such VF')
      }
      applyVfSetting(card, vf, change)
      if (card.driver.lateMacMs !== undefined && change.mac !== undefined && change.mac !== ZERO_MAC) {
        world.clock.after(card.driver.lateMacMs, () => world.setMacOf(vf.address, vf.settings.mac))
      }
    }
  }
}
