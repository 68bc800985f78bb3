import { PluginError } from '../../errors.js'
import type { Lock } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import type { VfInfo, VfSettings } from '../../netlink/vf-info.js'
import { driverOf, pfOf, uplinkOf, vfIndexOf } from '../../pci/functions.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { changeLink } from '../../rtnl/link.js'
import type { HostWithState } from '../../state/folder.js'
import type { AttachmentRecord, RecordedPf } from '../../state/record.js'
import { type PfWriter, readVf, type VfTarget } from '../pf/apply.js'

/** A VF on its way back: `target` is how error messages call it. */
export interface Release {
  readonly host: HostWithState
  readonly record: AttachmentRecord
  /** Where the pod's namespace may be found beside the path in the record. */
  readonly netnsPaths: readonly string[]
  /** The VF's: a program that binds the VF holds it, too. */
  readonly lock: Lock
  /** Called, more than once perhaps, when nothing of the VF is in the pod any more: its addresses may serve others then. */
  readonly onAway?: () => void
  readonly hostRtnl: Rtnl
  /** Where the VF is at its PF: locateRecordedVf(), looked up once. @throws PluginError kind `device` */
  readonly locate: () => RecordedPlace
  readonly target: string
}

/** A VF as its PF knows it, and its settings before the ADD. */
export interface RecordedPlace extends Omit<VfTarget, 'pfIndex'> {
  readonly original: RecordedPf['vf']
}

/**
 * Where the VF of a record is now: what sysfs says of its PCI address counts, for a record may be damaged, and a wrong
 * index would be another pod's VF.
 * @throws PluginError kind `device` when its PF has no interface on the host
 */
export function locateRecordedVf({ host, record, target }: Pick<Release, 'host' | 'record' | 'target'>): RecordedPlace {
  const { files } = host
  const { pf } = record
  if (!pf) {
    throw new PluginError({ kind: 'device', message: `${target} has no PF` })
  }
  const shown = pfOf(files, record.deviceId)
  const pfAddress = shown ?? pf.address
  const vfIndex = shown === undefined ? pf.vfIndex : vfIndexOf(files, shown, record.deviceId)
  const pfName = uplinkOf(files, pfAddress)
  if (pfName === undefined || vfIndex === undefined) {
    throw new PluginError({
      kind: 'device',
      message: `the PF ${pfAddress} (${pf.name}) ${pfName === undefined ? 'has no network interface on the host' : `does not list ${record.deviceId}`}`,
    })
  }
  return { pfAddress, pfName, vfIndex, driver: driverOf(files, pfAddress) ?? 'none', original: pf.vf }
}

/** The VF of a record as its PF reports it, and how to reach it there. */
export interface RecordedVf {
  readonly target: VfTarget
  readonly vf: VfInfo
  /** As it was before the ADD. */
  readonly original: VfSettings
}

/** Asks the PF about the VF of a record: one dump. @throws PluginError kinds `device`, `kernel` */
export async function readRecordedVf({ hostRtnl, locate }: Release): Promise<RecordedVf> {
  const { original, ...where } = locate()
  const { pf, vf } = await readVf(hostRtnl, where.pfName, where.vfIndex)
  return { target: { ...where, pfIndex: pf.index }, vf, original: { ...vf, ...original } }
}

/** How to write to the PF. */
export const pfWriter = ({ host, hostRtnl }: Release): PfWriter => ({ host, rtnl: hostRtnl })

/** Takes the interface up or down, on the host. @throws PluginError kind `kernel` */
export const setUp = ({ hostRtnl, record, target }: Release, link: Link, isUp: boolean): Promise<void> =>
  changeLink(
    hostRtnl,
    link.index,
    { isUp },
    { operation: isUp ? 'bring it up' : 'take it down', target, driver: record.driver },
  )
