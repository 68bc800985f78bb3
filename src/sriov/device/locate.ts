import type { WantedDpdk } from '../../cni/wanted.js'
import { PluginError } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { isInUserspace } from '../../pci/driver.js'
import { deviceExists, devPortOf, driverOf, isPf, netdevsOf, pfOf, uplinkOf, vfIndexOf } from '../../pci/functions.js'
import type { AttachmentRecord } from '../../state/record.js'

/** A PF, by its own interface. */
export interface PfLocation {
  readonly address: PciAddress
  readonly name: string
  readonly driver: string
}

/**
 * A function of a card that a pod can get. `vf` tells its number and PF; absent for a VF whose PF is out of sight
 * (inside a virtual machine), and for a PF itself.
 */
export interface DeviceLocation {
  readonly address: PciAddress
  readonly vf?: { readonly index: number; readonly pf: PfLocation }
}

/** A VF whose PF is there. */
export type VfLocation = Required<DeviceLocation>

/** How error messages call a VF: `VF 3 of ens1f0`. */
export const describeVf = (index: number, pfName: string): string => `VF ${index} of ${pfName}`

/** The same for any device: `VF 3 of ens1f0 (0000:01:10.6)`. */
export const describeDevice = ({ address, vf }: DeviceLocation): string =>
  vf ? `${describeVf(vf.index, vf.pf.name)} (${address})` : `device ${address}`

/** The same for the device of a record. */
export const describeRecorded = ({ deviceId, pf }: AttachmentRecord): string =>
  pf && pf.name !== '' ? `${describeVf(pf.vfIndex, pf.name)} (${deviceId})` : `device ${deviceId}`

function refuse(message: string): never {
  throw new PluginError({ kind: 'device', message })
}

/** Finds a device by its address. @throws PluginError kind `device` saying what is missing */
export function locateDevice(files: FilePort, address: PciAddress): DeviceLocation {
  const pf = pfOf(files, address)
  if (pf === undefined) {
    if (!deviceExists(files, address)) {
      refuse(`deviceID: there is no PCI device ${address} on this node`)
    }
    return isPf(files, address)
      ? refuse(`deviceID: ${address} is a PF, not a VF; master with pfOnly takes a PF as a whole`)
      : { address }
  }
  const index = vfIndexOf(files, pf, address)
  const name = uplinkOf(files, pf)
  if (index === undefined || name === undefined) {
    refuse(
      `deviceID: the PF ${pf} of VF ${address} ${index === undefined ? 'does not list it' : 'has no network interface on the host'}`,
    )
  }
  return { address, vf: { index, pf: { address: pf, name, driver: driverOf(files, pf) ?? 'none' } } }
}

/** What of a device is on the host: its driver, "" for none, and its interface by name, where it has one. */
export interface HostPresence {
  readonly driver: string
  /** `second`: the other one, where the VF has two (ConnectX-3). */
  readonly netdev?: { readonly name: string; readonly second?: string }
}

/** Its interfaces on the host, the first port first. */
function netdevNames(files: FilePort, { address, vf }: DeviceLocation): readonly string[] {
  if (!vf) {
    // Beside a PF's own interface the representors of its VFs may stand.
    const name = uplinkOf(files, address)
    return name === undefined ? [] : [name]
  }
  const port = (name: string) => devPortOf(files, name)
  return [...netdevsOf(files, address)].sort((left, right) => port(left) - port(right))
}

/**
 * What there is of a device on the host to give to a pod. Without an interface a VF is of use only to a program in user
 * space: bound to a driver for that, or wanted there (`dpdk`).
 * @throws PluginError kind `device` when it has neither, or more than two interfaces
 */
export function presenceOf(files: FilePort, location: DeviceLocation, dpdk: WantedDpdk | undefined): HostPresence {
  const who = describeDevice(location)
  const driver = driverOf(files, location.address)
  if (driver === undefined && !dpdk) {
    refuse(`${who} is bound to no driver`)
  }
  if (driver === undefined || isInUserspace(files, location.address)) {
    return { driver: driver ?? '' }
  }
  const names = netdevNames(files, location)
  const [name, second, ...more] = names
  if (name === undefined && driver === dpdk?.driver) {
    return { driver }
  }
  if (name === undefined) {
    refuse(`${who} (driver ${driver}) has no network interface on the host: another network namespace has it`)
  }
  if (more.length > 0) {
    refuse(`${who} (driver ${driver}) has more than two network interfaces (${names.join(', ')})`)
  }
  return { driver, netdev: { name, ...(second !== undefined && { second }) } }
}
