import type { LinkState, VfSettings } from '../netlink/vf-info.js'

/** Settings of the VF that its PF holds. Absent: not written. Rates in Mbit/s. */
export interface WantedVf {
  readonly vlan?: Pick<VfSettings, 'vlan' | 'vlanQoS' | 'vlanProto'>
  readonly mac?: string
  readonly minTxRateMbps?: number
  readonly maxTxRateMbps?: number
  readonly spoofchk?: boolean
  readonly trust?: boolean
  readonly linkState?: LinkState
}

/** Settings of the interface inside the pod. `mtu` in bytes. */
export interface WantedNetdev {
  readonly mtu?: number
  readonly promisc?: boolean
  readonly allmulti?: boolean
}

/** The driver that a VF is bound to for the pod's life; on release `kernelDriver`, or the one it had. `tool`: who binds. */
export interface WantedDpdk {
  readonly driver: string
  readonly kernelDriver?: string
  readonly tool?: string
}

/** An attachment that the runtime knows (CNI specification 1.1.0, GC). */
export interface KnownAttachment {
  readonly containerId: string
  readonly ifName: string
}
