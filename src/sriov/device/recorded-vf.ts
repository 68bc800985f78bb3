import { PluginError } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { driverOf, pfOf, uplinkOf, vfIndexOf } from '../../pci/functions.js'
import type { AttachmentRecord, RecordedPf } from '../../state/record.js'
import { describeRecorded } from './locate.js'

/** Where the VF of a record is, and the settings that its PF held for it before the ADD. */
export interface RecordedPlace {
  readonly pfName: string
  readonly pfAddress: PciAddress
  readonly vfIndex: number
  /** Driver of the PF; `none` when it has none. */
  readonly driver: string
  readonly original: RecordedPf['vf']
}

/**
 * Finds the VF of a record. What sysfs shows at its PCI address takes precedence over the record: a damaged record can
 * hold a wrong index, which would be another pod's VF.
 * @throws PluginError kind `device` when its PF has no interface on the host
 */
export function locateRecordedVf(files: FilePort, record: AttachmentRecord): RecordedPlace {
  const { pf, deviceId } = record
  if (!pf) {
    throw new PluginError({ kind: 'device', message: `${describeRecorded(record)} has no PF` })
  }
  const shown = pfOf(files, deviceId)
  const pfAddress = shown ?? pf.address
  const vfIndex = shown === undefined ? pf.vfIndex : vfIndexOf(files, shown, deviceId)
  const pfName = uplinkOf(files, pfAddress)
  if (pfName === undefined || vfIndex === undefined) {
    throw new PluginError({
      kind: 'device',
      message: `the PF ${pfAddress} (${pf.name}) ${pfName === undefined ? 'has no network interface on the host' : `does not list ${deviceId}`}`,
    })
  }
  return { pfAddress, pfName, vfIndex, driver: driverOf(files, pfAddress) ?? 'none', original: pf.vf }
}
