/** What an ADD is made of. */
import type { CallArgs } from '../../cni/args.js'
import type { NetConf } from '../../cni/netconf.js'
import type { Lock, Netns } from '../../host/ports.js'
import type { PendingIpam } from '../../ipam.js'
import type { Link } from '../../netlink/link.js'
import type { Rtnl } from '../../rtnl/connection.js'
import type { HostWithState } from '../../state/folder.js'
import type { AttachmentRecord, IpamCall, RecordedDpdk, RecordedRepresentor } from '../../state/record.js'
import type { DeviceLocation } from '../device/locate.js'
import type { PfView, PfWriter, VfTarget } from '../pf/apply.js'

/** One ADD: who asks, for what, with which VF, into which namespace. */
export interface AttachRequest {
  readonly args: CallArgs
  readonly conf: NetConf
  readonly location: DeviceLocation
  readonly pod: Netns
  /** The VF's. The IPAM plugin holds it too, so that a DEL after a kill waits until no lease can appear any more. */
  readonly lock: Lock
}

/** The same with the conversations it needs. */
export interface Attachment extends AttachRequest {
  readonly host: HostWithState
  readonly ipam?: IpamCall
  readonly hostRtnl: Rtnl
  readonly podRtnl: Rtnl
}

/** What was found before anything is changed. */
export interface Findings {
  /** Absent where the VF has none on the host: a driver of user space has it, or none at all. */
  readonly netdev?: Link
  /** The other interface of a VF that has two. */
  readonly second?: Link
  /** "" for none. */
  readonly driver: string
  /** Absent where the pod gets a network interface. */
  readonly dpdk?: RecordedDpdk
  /** Absent where the device has no PF that could be told anything. */
  readonly pfSide?: PfView
  readonly representor?: RecordedRepresentor
}

/** How far an ADD has come: the record as it is on disk, and the IPAM plugin once it was started. */
export interface Progress {
  record: AttachmentRecord
  lease?: PendingIpam
}

/** The PF that is to be told something; undefined where there is none. */
export const vfTarget = ({ location: { vf } }: Attachment, { pfSide }: Findings): VfTarget | undefined =>
  vf &&
  pfSide && {
    pfName: vf.pf.name,
    pfAddress: vf.pf.address,
    pfIndex: pfSide.pf.index,
    vfIndex: vf.index,
    driver: vf.pf.driver,
  }

/** How to write to the PF. */
export const pfWriter = ({ host, hostRtnl }: Attachment): PfWriter => ({
  host,
  rtnl: hostRtnl,
})
