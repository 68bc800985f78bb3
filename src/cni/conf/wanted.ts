import type { LinkState, VfSettings } from '../../netlink/vf-info.js'

/** Settings of the VF that its PF holds. An absent setting is not written. Rates are in Mbit/s. */
export interface WantedVf {
  readonly vlan?: Pick<VfSettings, 'vlan' | 'vlanQoS' | 'vlanProto'>
  readonly mac?: string
  readonly minTxRateMbps?: number
  readonly maxTxRateMbps?: number
  readonly spoofchk?: boolean
  readonly trust?: boolean
  readonly linkState?: LinkState
}

/** Settings of the interface inside the pod. `mtu` is in bytes. */
export interface WantedNetdev {
  readonly mtu?: number
  readonly promisc?: boolean
  readonly allmulti?: boolean
}

/**
 * The driver to which a VF is bound for the pod's life. Release binds it to `kernelDriver`, or to its previous driver
 * when `kernelDriver` is absent. `tool` is the path of the program that binds; without it the plugin writes to sysfs.
 */
export interface WantedDpdk {
  readonly driver: string
  readonly kernelDriver?: string
  readonly tool?: string
}

/** An attachment that the runtime still knows (CNI specification 1.1.0, GC). */
export interface KnownAttachment {
  readonly containerId: string
  readonly ifName: string
}
