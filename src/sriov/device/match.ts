/** Whether selectors mean a PCI function. Reads sysfs only. */
import { type PfSelector, pKey, type Selectors } from '../../cni/conf/selectors.js'
import type { FilePort } from '../../host/ports.js'
import { hasHardwareRdma, rdmaDeviceOf } from '../../pci/driver.js'
import { acpiIndexOf, defaultPKeyOf, driverOf, idsOf, linkTypeOf, netdevsOf } from '../../pci/functions.js'
import type { DeviceLocation } from './locate.js'

/** A function to look at. */
export interface Selectable {
  readonly location: DeviceLocation
  /** The driver that it has without its pod, which may have bound it to another. */
  readonly ownDriver?: string
}

/** Whether an entry of `pfNames` means a PF with this name. */
export type MeansPf = (entry: string, pfName: string) => boolean

const isExactly: MeansPf = (entry, pfName) => entry === pfName

const hasIndex = ({ indexes }: PfSelector, index: number): boolean =>
  indexes?.some(([from, to]) => index >= from && index <= to) ?? true

const includes = (list: readonly string[] | undefined, value: () => string | undefined): boolean =>
  list === undefined || list.includes(value() ?? '')

/** The link type of a function: of its interface, or of its PF's while a pod has the interface. */
function linkTypeOfFunction(files: FilePort, { address, vf }: DeviceLocation): string | undefined {
  const name = netdevsOf(files, address)[0] ?? vf?.pf.name
  return name === undefined || name === '' ? undefined : linkTypeOf(files, name)
}

function defaultPKey(files: FilePort, address: string): string | undefined {
  const device = rdmaDeviceOf(files, address)
  return device === undefined ? undefined : pKey(defaultPKeyOf(files, device) ?? '')
}

/** A function without a PF is none of the VFs that `pfNames` and `rootDevices` mean. */
export function matches(
  files: FilePort,
  selectors: Selectors,
  { location, ownDriver }: Selectable,
  meansPf: MeansPf = isExactly,
): boolean {
  const { address, vf } = location
  const { pfNames, rootDevices, pciAddresses, vendors, devices, drivers, linkTypes, acpiIndexes, pKeys } = selectors
  const isVfOf = (list: readonly PfSelector[] | undefined, isPf: (entry: string) => boolean) =>
    list === undefined || (vf !== undefined && list.some((one) => isPf(one.pf) && hasIndex(one, vf.index)))
  return (
    isVfOf(pfNames, (entry) => meansPf(entry, vf?.pf.name ?? '')) &&
    isVfOf(rootDevices, (entry) => entry === vf?.pf.address) &&
    includes(pciAddresses, () => address) &&
    includes(vendors, () => idsOf(files, address).vendor) &&
    includes(devices, () => idsOf(files, address).device) &&
    includes(drivers, () => ownDriver ?? driverOf(files, address)) &&
    includes(acpiIndexes, () => acpiIndexOf(files, address)) &&
    includes(linkTypes, () => linkTypeOfFunction(files, location)) &&
    includes(pKeys, () => defaultPKey(files, address)) &&
    (selectors.isRdma !== true || hasHardwareRdma(files, address) || rdmaDeviceOf(files, address) !== undefined)
  )
}
