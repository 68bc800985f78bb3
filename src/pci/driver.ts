/** Which driver a PCI function is bound to, and how to bind another (Documentation/ABI/testing/sysfs-bus-pci). */
import { basename } from 'node:path'
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from './address.js'
import { deviceFolder, driverOf, netdevsOf } from './functions.js'

const DRIVERS = '/sys/bus/pci/drivers'
const PROBE = '/sys/bus/pci/drivers_probe'
const NOIOMMU = '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode'

/** Drivers that hand a function to a program in user space (DPDK). The function then has no network interface. */
const USERSPACE_DRIVERS = new Set(['vfio-pci', 'uio_pci_generic', 'igb_uio'])

/** Drivers that vfio tolerates on other functions of an IOMMU group that it uses (vfio_main.c, bridges). */
const HARMLESS_IN_GROUP = new Set(['vfio-pci', 'pci-stub', 'pcieport'])

/** Whether a driver that a configuration names serves programs in user space. */
export const isUserspaceDriver = (driver: string): boolean => USERSPACE_DRIVERS.has(driver)

/**
 * Whether a function is bound to a driver for programs in user space: a known driver, or a variant of vfio-pci
 * (`mlx5_vfio_pci`), recognized by its vfio device (Documentation/ABI/testing/sysfs-devices-vfio-dev).
 */
export function isInUserspace(files: FilePort, address: PciAddress): boolean {
  const driver = driverOf(files, address)
  return (
    driver !== undefined && (isUserspaceDriver(driver) || files.list(`${deviceFolder(address)}/vfio-dev`).length > 0)
  )
}

/** Whether a driver is loaded. */
export const driverExists = (files: FilePort, driver: string): boolean => files.exists(`${DRIVERS}/${driver}`)

/** The only driver that the administrator allows for a function (driver_override); "" when any is allowed. */
export function driverOverrideOf(files: FilePort, address: PciAddress): string {
  const text = files.readText(`${deviceFolder(address)}/driver_override`)?.trim() ?? ''
  return text === '(null)' ? '' : text
}

/** @throws PluginError kind `kernel` */
export const writeDriverOverride = (files: FilePort, address: PciAddress, driver: string): Promise<void> =>
  // An empty line clears the override.
  files.writeAttribute(`${deviceFolder(address)}/driver_override`, `${driver}\n`)

/** Unbinds a function from its driver, which also removes its interface. @throws PluginError kind `kernel` */
export async function unbind(files: FilePort, address: PciAddress): Promise<void> {
  if (driverOf(files, address) !== undefined) {
    await files.writeAttribute(`${deviceFolder(address)}/driver/unbind`, address)
  }
}

/**
 * Binds a function to a driver, or to none (""). Unbinds its present driver, then offers the function to the new one
 * only. A refusal by the driver is not reported: the caller must check driverOf() afterwards.
 * @throws PluginError kind `kernel`; the override stays set in any case
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

/**
 * The IOMMU group of a function. `isShared` says whether it has other functions. `strangers` are those with drivers
 * that vfio does not tolerate.
 */
export interface IommuGroup {
  readonly number: string
  readonly isShared: boolean
  readonly strangers: readonly { readonly address: PciAddress; readonly driver: string }[]
}

/** The IOMMU group of a function; undefined when the IOMMU is off. */
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

/** Whether vfio accepts functions without an IOMMU. */
export const isNoIommuOn = (files: FilePort): boolean => files.readText(NOIOMMU)?.trim() === 'Y'

/** Whether a function can be reset on its own. */
export const canReset = (files: FilePort, address: PciAddress): boolean =>
  files.exists(`${deviceFolder(address)}/reset`)

/**
 * Resets a function. The PF keeps its settings for it. Call it only for a function without a kernel driver: igbvf
 * blocks the writer forever when its interface is down.
 * @throws PluginError kind `kernel`
 */
export const resetFunction = (files: FilePort, address: PciAddress): Promise<void> =>
  files.writeAttribute(`${deviceFolder(address)}/reset`, '1')

/**
 * The device files that give programs this function and no other: its vfio group, unless that is shared; the function
 * itself (since Linux 6.6); its uio device.
 */
export function deviceFilesOf(files: FilePort, address: PciAddress): readonly string[] {
  const group = iommuGroupOf(files, address)
  return [
    ...(group?.isShared === false ? [`/dev/vfio/${group.number}`, `/dev/vfio/noiommu-${group.number}`] : []),
    ...files.list(`${deviceFolder(address)}/vfio-dev`).map((name) => `/dev/vfio/devices/${name}`),
    ...files.list(`${deviceFolder(address)}/uio`).map((name) => `/dev/${name}`),
  ]
}

/** The RDMA device of an interface that software makes (rdma_rxe: `parent` in its folder). */
function softwareRdmaOf(files: FilePort, netdevs: readonly string[]): string | undefined {
  return netdevs.length === 0
    ? undefined
    : files
        .list('/sys/class/infiniband')
        .find((name) => netdevs.includes(files.readText(`/sys/class/infiniband/${name}/parent`)?.trim() ?? ''))
}

/** The RDMA device that the driver of a function has made of it (mlx5_3), if it is in our network namespace. */
export const hardwareRdmaOf = (files: FilePort, address: PciAddress): string | undefined =>
  files.list(`${deviceFolder(address)}/infiniband`)[0]

/** Whether a function has an RDMA device of its own, in whatever network namespace: its character devices are seen in all. */
export const hasHardwareRdma = (files: FilePort, address: PciAddress): boolean =>
  hardwareRdmaOf(files, address) !== undefined || files.list(`${deviceFolder(address)}/infiniband_verbs`).length > 0

/**
 * The name of a function's own RDMA device, in whatever network namespace it is: a character device of it says so
 * (`ibdev`). Undefined when it has none.
 */
export function rdmaNameAnywhere(files: FilePort, address: PciAddress): string | undefined {
  const folder = `${deviceFolder(address)}/infiniband_verbs`
  const [verbs] = files.list(folder)
  return hardwareRdmaOf(files, address) ?? (verbs && files.readText(`${folder}/${verbs}/ibdev`)?.trim())
}

/** The RDMA device of a function (mlx5_3), or of its interface (rxe0); undefined when it has none. */
export const rdmaDeviceOf = (files: FilePort, address: PciAddress): string | undefined =>
  hardwareRdmaOf(files, address) ?? softwareRdmaOf(files, netdevsOf(files, address))

/**
 * The character devices of an RDMA device that are there: uverbs, umad and issm of its own, rdma_cm of all
 * (Documentation/infiniband/user_verbs.rst, user_mad.rst).
 */
export function rdmaNodesOf(files: FilePort, rdmaDevice: string): readonly string[] {
  const own = ['infiniband_verbs', 'infiniband_mad'].flatMap((kind) =>
    files
      .list(`/sys/class/${kind}`)
      .filter((name) => files.readText(`/sys/class/${kind}/${name}/ibdev`)?.trim() === rdmaDevice),
  )
  return [...own, 'rdma_cm'].map((name) => `/dev/infiniband/${name}`).filter((path) => files.exists(path))
}
