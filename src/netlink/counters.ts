/** Counters of VFs and interfaces (rtnl_fill_vfinfo, rtnl_fill_stats in net/core/rtnetlink.c; include/uapi/linux/if_link.h). */
import { type Attribute, decodeAttributes, payloadOf } from './attribute.js'
import { IFLA_VF_MAC } from './constants.js'
import { decodeLinkMessage } from './link.js'
import { vfInfosIn } from './vf-info.js'

export const IFLA_STATS64 = 23
export const IFLA_VF_STATS = 8

/** What has gone through since the driver was loaded, seen from the VF: what it has received, and sent. */
export interface Counters {
  readonly rxPackets: number
  readonly txPackets: number
  readonly rxBytes: number
  readonly txBytes: number
  readonly rxDropped: number
  readonly txDropped: number
  readonly rxMulticast: number
  /** Only the PF counts them. */
  readonly rxBroadcast?: number
  /** Only the interface counts them. */
  readonly txErrors?: number
}

const numberAt = (bytes: Buffer | undefined, at: number): number =>
  bytes && bytes.length >= at + 8 ? Number(bytes.readBigUInt64LE(at)) : 0

/** IFLA_VF_STATS_…: rx and tx packets, rx and tx bytes, broadcast, multicast, a pad, rx and tx dropped. */
function ofVfStats(stats: readonly Attribute[]): Counters {
  const counter = (type: number) => numberAt(payloadOf(stats, type), 0)
  return {
    rxPackets: counter(0),
    txPackets: counter(1),
    rxBytes: counter(2),
    txBytes: counter(3),
    rxBroadcast: counter(4),
    rxMulticast: counter(5),
    rxDropped: counter(7),
    txDropped: counter(8),
  }
}

/** The counters in an IFLA_VFINFO_LIST, by the index of the VF. @throws PluginError kind `wire` */
export function vfCountersIn(list: Buffer): ReadonlyMap<number, Counters> {
  return new Map(
    vfInfosIn(list).flatMap((info) => {
      const attributes = decodeAttributes(info)
      const mac = payloadOf(attributes, IFLA_VF_MAC)
      const stats = payloadOf(attributes, IFLA_VF_STATS)
      return mac && mac.length >= 4 && stats ? [[mac.readUInt32LE(0), ofVfStats(decodeAttributes(stats))] as const] : []
    }),
  )
}

/** The counters of an interface, from RTM_NEWLINK (struct rtnl_link_stats64). @throws PluginError kind `wire` */
export function linkCountersIn(message: Buffer): Counters | undefined {
  const stats = payloadOf(decodeLinkMessage(message).attributes, IFLA_STATS64)
  const counter = (position: number) => numberAt(stats, position * 8)
  return (
    stats && {
      rxPackets: counter(0),
      txPackets: counter(1),
      rxBytes: counter(2),
      txBytes: counter(3),
      txErrors: counter(5),
      rxDropped: counter(6),
      txDropped: counter(7),
      rxMulticast: counter(8),
    }
  )
}
