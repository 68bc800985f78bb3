import { PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from '../pci/address.js'
import { deviceExists, deviceFolder, driverOf, netdevsOf, pfOf, uplinkOf, vfIndexOf } from '../pci/functions.js'

/** Drivers that hand a function to a user space program (DPDK). */
const USERSPACE_DRIVERS = new Set(['vfio-pci', 'uio_pci_generic', 'igb_uio'])

/** Where a VF is in the tree of PCI functions. */
export interface VfLocation {
  readonly address: PciAddress
  readonly index: number
  readonly pf: { readonly address: PciAddress; readonly name: string; readonly driver: string }
}

/** How error messages call a VF: `VF 3 of ens1f0`. */
export const describeVf = (index: number, pfName: string): string => `VF ${index} of ${pfName}`

function refuse(message: string): never {
  throw new PluginError({ kind: 'device', message })
}

function whyNoVf(files: FilePort, address: PciAddress): string {
  if (!deviceExists(files, address)) {
    return `deviceID: there is no PCI device ${address} on this node`
  }
  return files.exists(`${deviceFolder(address)}/sriov_numvfs`)
    ? `deviceID: ${address} is a PF, not a VF`
    : `deviceID: ${address} is not a VF with a visible PF; this is not yet supported`
}

/** Finds a VF, its index and its PF. @throws PluginError kind `device` saying what is missing */
export function locateVf(files: FilePort, address: PciAddress): VfLocation {
  const pf = pfOf(files, address)
  if (pf === undefined) {
    refuse(whyNoVf(files, address))
  }
  const index = vfIndexOf(files, pf, address)
  const name = uplinkOf(files, pf)
  if (index === undefined || name === undefined) {
    refuse(
      `deviceID: the PF ${pf} of VF ${address} ${index === undefined ? 'does not list it' : 'has no network interface on the host'}`,
    )
  }
  return { address, index, pf: { address: pf, name, driver: driverOf(files, pf) ?? 'none' } }
}

/**
 * The name of the one network interface of a VF on the host, and the VF's driver.
 * @throws PluginError kind `device` when it has none, or several
 */
export function hostNetdevOf(files: FilePort, { address, index, pf }: VfLocation): { name: string; driver: string } {
  const who = `${describeVf(index, pf.name)} (${address})`
  const driver = driverOf(files, address)
  if (driver === undefined) {
    refuse(`${who} is bound to no driver`)
  }
  if (USERSPACE_DRIVERS.has(driver)) {
    refuse(`${who} is bound to ${driver}; VFs on user space drivers are not yet supported`)
  }
  const [name, ...others] = netdevsOf(files, address)
  if (name === undefined) {
    refuse(`${who} (driver ${driver}) has no network interface on the host: another network namespace has it`)
  }
  if (others.length > 0) {
    refuse(
      `${who} (driver ${driver}) has several network interfaces (${[name, ...others].join(', ')}); this is not yet supported`,
    )
  }
  return { name, driver }
}
