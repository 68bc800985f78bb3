/** What the steps of an ADD share. */
import type { CallArgs } from '../../cni/args.js'
import type { NetConf } from '../../cni/conf/netconf.js'
import type { Lock, Netns } from '../../host/ports.js'
import type { PendingIpam } from '../../ipam.js'
import type { Link } from '../../netlink/link.js'
import type { Rtnl } from '../../rtnl/connection.js'
import type { CallHost } from '../../state/folder.js'
import type {
  AttachmentRecord,
  IpamCall,
  RecordedDpdk,
  RecordedHostConfig,
  RecordedRdma,
  RecordedRepresentor,
} from '../../state/record.js'
import type { DeviceLocation } from '../device/locate.js'
import type { PfView, PfWriter, VfTarget } from '../pf/apply.js'

/** One ADD: the call, its configuration, the device, and the namespace of the pod. */
export interface AttachRequest {
  readonly args: CallArgs
  readonly conf: NetConf
  readonly location: DeviceLocation
  readonly pod: Netns
  /**
   * The lock of the VF. The IPAM plugin holds it too, so a DEL after a kill waits until no lease can appear any more.
   */
  readonly lock: Lock
  readonly hostRtnl: Rtnl
  /** The interface on the host, where it was looked at under the lock. */
  readonly seen: Link | undefined
}

/** An ADD with its netlink conversation in the pod, and its IPAM call if there is one. */
export interface Attachment extends AttachRequest {
  readonly host: CallHost
  readonly ipam?: IpamCall
  readonly podRtnl: Rtnl
}

/** The pod gets a network interface. */
interface ForNetdev {
  readonly dpdk?: undefined
  readonly netdev: Link
}

/** The VF serves a program in user space. It may have an interface on the host until then. */
interface ForDpdk {
  readonly dpdk: RecordedDpdk
  readonly netdev?: Link
}

/** What the pod gets of the device. */
export type DeviceUse = ForNetdev | ForDpdk

/** What inspect() finds before anything is changed. */
export type Findings = DeviceUse & {
  /** The other interface of a VF that has two (ConnectX-3). */
  readonly second?: Link
  /** What the host has set on the interface; absent where such interfaces are not given to pods. */
  readonly hostConfig?: RecordedHostConfig
  /** "" for none. */
  readonly driver: string
  /** Absent when the device has no PF that can be configured. */
  readonly pfSide?: PfView
  readonly representor?: RecordedRepresentor
  /** Absent when the RDMA device stays on the host, or there is none. */
  readonly rdma?: RecordedRdma
}

/** How far an ADD has come: the record as it is on disk, and the IPAM plugin once it has started. */
export interface Progress {
  record: AttachmentRecord
  lease?: PendingIpam
}

/** The VF as it is addressed through its PF. Undefined when there is no PF that can be configured. */
export const vfTarget = ({ location: { vf } }: Attachment, { pfSide }: Findings): VfTarget | undefined =>
  vf &&
  pfSide && {
    pfName: vf.pf.name,
    pfAddress: vf.pf.address,
    pfIndex: pfSide.pf.index,
    vfIndex: vf.index,
    driver: vf.pf.driver,
  }

/** What is needed to write to the PF. */
export const pfWriter = ({ host, hostRtnl }: Attachment): PfWriter => ({
  host,
  rtnl: hostRtnl,
})
