/** Which driver a PCI function is bound to, and how it gets another (Documentation/ABI/testing/sysfs-bus-pci). */
import { basename } from 'node:path'
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from './address.js'
import { deviceFolder, driverOf } from './functions.js'

const DRIVERS = '/sys/bus/pci/drivers'
const PROBE = '/sys/bus/pci/drivers_probe'
const NOIOMMU = '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode'

/** Drivers that hand a function to a program in user space (DPDK): it has no network interface then. */
const USERSPACE_DRIVERS = new Set(['vfio-pci', 'uio_pci_generic', 'igb_uio'])

/** Drivers that may have a function of an IOMMU group another function of which is on vfio (vfio_main.c, bridges). */
const HARMLESS_IN_GROUP = new Set(['vfio-pci', 'pci-stub', 'pcieport'])

/** Whether a driver that a configuration names is one for programs in user space. */
export const isUserspaceDriver = (driver: string): boolean => USERSPACE_DRIVERS.has(driver)

/**
 * Whether a function is bound to a driver for programs in user space: a known one, or a variant of vfio-pci
 * (`mlx5_vfio_pci`), which shows by a vfio device (Documentation/ABI/testing/sysfs-devices-vfio-dev).
 */
export function isInUserspace(files: FilePort, address: PciAddress): boolean {
  const driver = driverOf(files, address)
  return (
    driver !== undefined && (isUserspaceDriver(driver) || files.list(`${deviceFolder(address)}/vfio-dev`).length > 0)
  )
}

/** Whether a driver is loaded. */
export const driverExists = (files: FilePort, driver: string): boolean => files.exists(`${DRIVERS}/${driver}`)

/** The driver that alone may have a function, as its administrator says; "" for any. */
export function driverOverrideOf(files: FilePort, address: PciAddress): string {
  const text = files.readText(`${deviceFolder(address)}/driver_override`)?.trim() ?? ''
  return text === '(null)' ? '' : text
}

/** @throws PluginError kind `kernel` */
export const writeDriverOverride = (files: FilePort, address: PciAddress, driver: string): Promise<void> =>
  // An empty line takes it away.
  files.writeAttribute(`${deviceFolder(address)}/driver_override`, `${driver}\n`)

/** Takes a function from the driver it has; its interface goes with it. @throws PluginError kind `kernel` */
export async function unbind(files: FilePort, address: PciAddress): Promise<void> {
  if (driverOf(files, address) !== undefined) {
    await files.writeAttribute(`${deviceFolder(address)}/driver/unbind`, address)
  }
}

/**
 * Binds a function to a driver, or to none (""): away from the one it has, and offered to this one alone. A refusal of
 * the driver does not show here: the caller looks at driverOf() afterwards.
 * @throws PluginError kind `kernel`; the override is left behind, in any case
 */
export async function bindToDriver(files: FilePort, address: PciAddress, driver: string): Promise<void> {
  if (driver === '') {
    await unbind(files, address)
    return
  }
  await writeDriverOverride(files, address, driver)
  await unbind(files, address)
  await files.writeAttribute(PROBE, address)
}

/** The IOMMU group of a function, and those of it that drivers have which vfio cannot live with. */
export interface IommuGroup {
  readonly number: string
  readonly isShared: boolean
  readonly strangers: readonly { readonly address: PciAddress; readonly driver: string }[]
}

/** The IOMMU group of a function; undefined where the IOMMU is off. */
export function iommuGroupOf(files: FilePort, address: PciAddress): IommuGroup | undefined {
  const link = files.readLink(`${deviceFolder(address)}/iommu_group`)
  if (link === undefined) {
    return undefined
  }
  const number = basename(link)
  const members = files.list(`/sys/kernel/iommu_groups/${number}/devices`)
  const strangers = members.flatMap((member) => {
    const driver = member === address ? undefined : driverOf(files, member)
    return driver === undefined || HARMLESS_IN_GROUP.has(driver) ? [] : [{ address: member, driver }]
  })
  return { number, isShared: members.some((member) => member !== address), strangers }
}

/** Whether vfio takes functions without an IOMMU. */
export const isNoIommuOn = (files: FilePort): boolean => files.readText(NOIOMMU)?.trim() === 'Y'

/** Whether a function can be reset by itself. */
export const canReset = (files: FilePort, address: PciAddress): boolean =>
  files.exists(`${deviceFolder(address)}/reset`)

/**
 * Resets a function; its settings at the PF stay. Only for one without a driver of the kernel: igbvf's interface, when
 * it is down, keeps the writer waiting for ever.
 * @throws PluginError kind `kernel`
 */
export const resetFunction = (files: FilePort, address: PciAddress): Promise<void> =>
  files.writeAttribute(`${deviceFolder(address)}/reset`, '1')

/**
 * The device files by which programs have a function, and no other: its vfio group, unless it shares that; the function
 * itself (since 6.6); its uio.
 */
export function deviceFilesOf(files: FilePort, address: PciAddress): readonly string[] {
  const group = iommuGroupOf(files, address)
  return [
    ...(group?.isShared === false ? [`/dev/vfio/${group.number}`, `/dev/vfio/noiommu-${group.number}`] : []),
    ...files.list(`${deviceFolder(address)}/vfio-dev`).map((name) => `/dev/vfio/devices/${name}`),
    ...files.list(`${deviceFolder(address)}/uio`).map((name) => `/dev/${name}`),
  ]
}

/** The RDMA device of a function (mlx5_3); undefined where it has none. */
export const rdmaDeviceOf = (files: FilePort, address: PciAddress): string | undefined =>
  files.list(`${deviceFolder(address)}/infiniband`)[0]
