import type { JsonObject } from '../cni/json.js'
import type { WantedNetdev, WantedVf } from '../cni/wanted.js'
import type { NetnsId } from '../host/ports.js'
import type { VfSettings } from '../netlink/vf-info.js'
import type { View } from '../node/namespaces.js'
import type { PciAddress } from '../pci/address.js'

/** Raised when a field changes its meaning: an older plugin must not act on a record it misreads. */
export const RECORD_SCHEMA = 1

/** The network interface of a VF as it was on the host; what is absent was not recorded, and is left as it is. */
export interface OriginalNetdev {
  /** "" where it had none: it was bound to a user space driver. */
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  /** Which of two it is, where the VF has two. */
  readonly devPort?: number
  readonly isUp: boolean
  readonly isPromisc: boolean
  readonly isAllmulti: boolean
  readonly altNames?: readonly string[]
}

/** The PF of a VF, the VF's number there, and the settings that the PF held for it: those that are to be given back. */
export interface RecordedPf {
  readonly address: PciAddress
  readonly name: string
  readonly vfIndex: number
  readonly vf: Partial<VfSettings>
}

/** The representor of a VF as it was (switchdev mode). MTU in bytes. */
export interface RecordedRepresentor {
  readonly name: string
  readonly mtu: number
  readonly isUp: boolean
}

/**
 * How a VF serves a program in user space: the driver it has for the pod's life, and those before and after. Where they
 * are the same, it was bound already and stays so.
 */
export interface RecordedDpdk {
  readonly driver: string
  /** The VF's on release; "" for none. */
  readonly kernelDriver: string
  /** The program that binds (dpdk-devbind.py); absent: through sysfs. */
  readonly tool?: string
}

/** How the IPAM plugin was called, to call it again without the configuration at hand. */
export interface IpamCall {
  readonly type: string
  readonly stdin: string
  readonly environment: Readonly<Record<string, string>>
}

/**
 * `intent` until the ADD is through, then `attached`; `releasing` as soon as it is being given back. `released`: the VF
 * is back and may serve others; only the lease is left to be freed. An `intent` or a `releasing` whose VF is not locked
 * is of a call that died: whoever meets it finishes the job (docs/reliability.md).
 */
export type Phase = 'intent' | 'attached' | 'releasing' | 'released'

/** Which attachment: what the runtime tells it by, and what its record is called. */
export interface AttachmentKey {
  readonly containerId: string
  readonly ifName: string
  /** Where its record is, when that is not the state folder of the call (`cniDir`). */
  readonly folder?: string
}

export const isSameKey = (left: AttachmentKey, right: AttachmentKey): boolean =>
  left.containerId === right.containerId && left.ifName === right.ifName

/** All that is known of one attachment: written before the first change, complete enough to give everything back. */
export interface AttachmentRecord extends AttachmentKey {
  readonly schema: typeof RECORD_SCHEMA
  readonly phase: Phase
  /** Name of the network, "" for Multus 1. */
  readonly network: string
  readonly netns: NetnsId & { readonly path: string }
  /** What the ADD could see of this machine; absent where it was not recorded. */
  readonly view?: View
  /** /proc/sys/kernel/random/boot_id: what the kernel held is gone after another boot. */
  readonly bootId: string
  readonly deviceId: PciAddress
  /** The VF's before the ADD; "" where it had none, or it was not recorded. */
  readonly driver: string
  /** `second`: a ConnectX-3 has two interfaces behind one VF. */
  readonly original: { readonly netdev: OriginalNetdev; readonly second?: OriginalNetdev }
  /** Absent for a VF whose PF is out of sight, and for a PF itself. */
  readonly pf?: RecordedPf
  readonly representor?: RecordedRepresentor
  /** What sysfs held as driver_override, "" for nothing; absent where it was not recorded. */
  readonly driverOverride?: string
  /** Absent where the pod gets a network interface. */
  readonly dpdk?: RecordedDpdk
  /** Whether the VF is reset on release. */
  readonly flr?: boolean
  /** The device-information file that we make. */
  readonly deviceInfoFile?: string
  readonly wanted: { readonly vf: WantedVf; readonly netdev: WantedNetdev }
  /** What the interface is called in the pod, where that is not `ifName`. */
  readonly podIfName?: string
  /** What the PF is told as MAC on release (see sriov/mac.ts); absent until we are about to tell it one. */
  readonly releaseAdminMac?: string
  readonly ipam?: IpamCall
  readonly result?: JsonObject
}
