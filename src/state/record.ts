import type { WantedNetdev, WantedVf } from '../cni/conf/wanted.js'
import type { JsonObject } from '../cni/json.js'
import type { NetnsId } from '../host/ports.js'
import type { VfSettings } from '../netlink/vf-info.js'
import type { View } from '../node/namespaces.js'
import type { PciAddress } from '../pci/address.js'

/** Raise this when a field changes its meaning: an older plugin must not act on a record that it misreads. */
export const RECORD_SCHEMA = 1

/** The network interface of a VF as it was on the host. An absent field was not recorded, and is left as it is. */
export interface OriginalNetdev {
  /** "" when there was none: the VF was bound to a user space driver. */
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  /** Tells the two interfaces of a VF apart, if it has two. */
  readonly devPort?: number
  readonly isUp: boolean
  readonly isPromisc: boolean
  readonly isAllmulti: boolean
  readonly hasArp?: boolean
  readonly isMulticast?: boolean
  /** IFLA_LINKMODE; absent for 0, too. */
  readonly linkMode?: number
  /** Whether the host had an XDP program on it, where the policy lets such an interface be given to a pod. */
  readonly hasXdp?: boolean
  readonly altNames?: readonly string[]
  /** What the host had set on it, where the policy lets such an interface be given to a pod. */
  readonly hostConfig?: RecordedHostConfig
}

/** Addresses and routes as the kernel reported them: messages of rtnetlink(7) behind the netlink header, hexadecimal. */
export interface RecordedHostConfig {
  readonly addresses: readonly string[]
  readonly routes: readonly string[]
}

/** The PF of a VF, the VF's number there, and the settings in the PF that must be given back. */
export interface RecordedPf {
  readonly address: PciAddress
  readonly name: string
  readonly vfIndex: number
  readonly vf: Partial<VfSettings>
}

/** The representor of a VF (switchdev mode) as it was. MTU in bytes. */
export interface RecordedRepresentor {
  readonly name: string
  readonly mtu: number
  readonly isUp: boolean
}

/**
 * How a VF serves a program in user space: its driver for the pod's life, and the driver before and after. If the two
 * are the same, the VF was already bound to it and stays so.
 */
export interface RecordedDpdk {
  readonly driver: string
  /** The driver of the VF on release; "" for none. */
  readonly kernelDriver: string
  /** The program that binds (dpdk-devbind.py); absent when sysfs does it. */
  readonly tool?: string
}

/** The RDMA device that went into the pod with the VF: its index, and its name on the host. */
export interface RecordedRdma {
  readonly index: number
  readonly name: string
}

/** The pod as Kubernetes names it. */
export interface RecordedPod {
  readonly namespace: string
  readonly name: string
}

/** How the IPAM plugin was called. This allows another call without the configuration at hand. */
export interface IpamCall {
  readonly type: string
  readonly stdin: string
  readonly environment: Readonly<Record<string, string>>
}

/**
 * `intent` until the ADD is complete, then `attached`; `releasing` as soon as the give-back begins. `released`: the VF
 * is back and may serve others; only the lease is left to be freed. An `intent` or a `releasing` whose VF is not locked
 * belongs to a call that died: the next call that meets it finishes the job (docs/reliability.md).
 */
export type Phase = 'intent' | 'attached' | 'releasing' | 'released'

/** Identifies an attachment to the runtime, and names its record. */
export interface AttachmentKey {
  readonly containerId: string
  readonly ifName: string
  /** The folder of its record, if that is not the state folder of the call (`cniDir`). */
  readonly folder?: string
}

/** Whether two keys name the same attachment. Their folders do not matter. */
export const isSameKey = (left: AttachmentKey, right: AttachmentKey): boolean =>
  left.containerId === right.containerId && left.ifName === right.ifName

/** All facts about one attachment. Written before the first change, and complete enough to give everything back. */
export interface AttachmentRecord extends AttachmentKey {
  readonly schema: typeof RECORD_SCHEMA
  readonly phase: Phase
  /** Name of the network, "" for Multus 1. */
  readonly network: string
  readonly netns: NetnsId & { readonly path: string }
  /** Absent when the runtime did not say it. */
  readonly pod?: RecordedPod
  /** When its ADD began: ISO 8601, UTC. Absent in records of older versions. */
  readonly since?: string
  /** What the ADD could see of this machine; absent when it was not recorded. */
  readonly view?: View
  /** /proc/sys/kernel/random/boot_id: what the kernel held is gone after a reboot. */
  readonly bootId: string
  readonly deviceId: PciAddress
  /** The driver of the VF before the ADD; "" when it had none, or it was not recorded. */
  readonly driver: string
  /** `second`: a ConnectX-3 has two interfaces behind one VF. */
  readonly original: { readonly netdev: OriginalNetdev; readonly second?: OriginalNetdev }
  /** Absent for a VF whose PF is not visible, and for a PF itself. */
  readonly pf?: RecordedPf
  readonly representor?: RecordedRepresentor
  /** The driver_override in sysfs, "" for none; absent when it was not recorded. */
  readonly driverOverride?: string
  /** Absent when the pod gets a network interface. */
  readonly dpdk?: RecordedDpdk
  /** Absent when the RDMA device stays on the host, or there is none. */
  readonly rdma?: RecordedRdma
  /** Whether the VF is reset on release. */
  readonly flr?: boolean
  /** The device-information file that we write. */
  readonly deviceInfoFile?: string
  readonly wanted: { readonly vf: WantedVf; readonly netdev: WantedNetdev }
  /** The name of the interface in the pod, if it is not `ifName`. */
  readonly podIfName?: string
  /** The MAC that the PF is told on release (see sriov/pf/mac.ts); absent until we are about to tell it one. */
  readonly releaseAdminMac?: string
  readonly ipam?: IpamCall
  readonly result?: JsonObject
}
