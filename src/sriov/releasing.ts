import { PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import type { Link } from '../netlink/link.js'
import type { VfInfo } from '../netlink/vf-info.js'
import { driverOf, uplinkOf } from '../pci/functions.js'
import type { Rtnl } from '../rtnl/connection.js'
import { changeLink } from '../rtnl/link.js'
import type { AttachmentRecord } from '../state/record.js'
import { type PfWriter, readVf, type VfTarget } from './apply.js'

/** A VF on its way back: `target` is how error messages call it. */
export interface Release {
  readonly host: Host
  readonly cniDir: string
  readonly record: AttachmentRecord
  /** Where the pod's namespace may be found beside the path in the record. */
  readonly netnsPaths: readonly string[]
  readonly hostRtnl: Rtnl
  readonly target: string
}

/** The PF of a record as it is called now. @throws PluginError kind `device` when it has no interface on the host */
function pfNameOf({ host, record }: Release): string {
  const { pf } = record
  const name = uplinkOf(host.files, pf.address)
  if (name === undefined) {
    throw new PluginError({
      kind: 'device',
      message: `the PF ${pf.address} (${pf.name}) has no network interface on the host`,
    })
  }
  return name
}

/** The VF of a record as its PF reports it, and how to reach it there. */
export interface RecordedVf {
  readonly target: VfTarget
  readonly vf: VfInfo
}

/** Asks the PF about the VF of a record: one dump. @throws PluginError kinds `device`, `kernel` */
export async function readRecordedVf(release: Release): Promise<RecordedVf> {
  const { host, record, hostRtnl } = release
  const pfName = pfNameOf(release)
  const { pf, vf } = await readVf(hostRtnl, pfName, record.vfIndex)
  const driver = driverOf(host.files, record.pf.address) ?? 'none'
  return { target: { pfName, pfAddress: record.pf.address, pfIndex: pf.index, vfIndex: record.vfIndex, driver }, vf }
}

/** How to write to the PF. */
export const pfWriter = ({ host, cniDir, hostRtnl }: Release): PfWriter => ({ host, cniDir, rtnl: hostRtnl })

/** Takes the interface up or down, on the host. @throws PluginError kind `kernel` */
export const setUp = ({ hostRtnl, record, target }: Release, link: Link, isUp: boolean): Promise<void> =>
  changeLink(
    hostRtnl,
    link.index,
    { isUp },
    { operation: isUp ? 'bring it up' : 'take it down', target, driver: record.driver },
  )
