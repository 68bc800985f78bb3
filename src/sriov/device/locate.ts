import type { WantedDpdk } from '../../cni/conf/wanted.js'
import { PluginError } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { driverOverrideOf, isInUserspace } from '../../pci/driver.js'
import {
  baseClassOf,
  classOf,
  deviceExists,
  devPortOf,
  driverOf,
  isPf,
  NETWORK_CLASS,
  netdevsOf,
  pfOf,
  uplinkOf,
  vfIndexOf,
} from '../../pci/functions.js'
import type { AttachmentRecord } from '../../state/record.js'

/** A PF. `name` is its own interface; `driver` is its driver, `none` when it has none. */
export interface PfLocation {
  readonly address: PciAddress
  readonly name: string
  readonly driver: string
}

/**
 * A PCI function that a pod can get. `vf` holds the index of a VF, and its PF. It is absent for a PF itself, and for a
 * VF whose PF is not visible (inside a virtual machine).
 */
export interface DeviceLocation {
  readonly address: PciAddress
  readonly vf?: { readonly index: number; readonly pf: PfLocation }
}

/** A VF whose PF is visible. */
export type VfLocation = Required<DeviceLocation>

/** Names a VF in error messages: `VF 3 of ens1f0`. */
export const describeVf = (index: number, pfName: string): string => `VF ${index} of ${pfName}`

/** Names any device in error messages: `VF 3 of ens1f0 (0000:01:10.6)`, or `device 0000:01:10.6` without a PF. */
export const describeDevice = ({ address, vf }: DeviceLocation): string =>
  vf ? `${describeVf(vf.index, vf.pf.name)} (${address})` : `device ${address}`

/** Names the device of a record in error messages, in the form of describeDevice(). */
export const describeRecorded = ({ deviceId, pf }: AttachmentRecord): string =>
  pf && pf.name !== '' ? `${describeVf(pf.vfIndex, pf.name)} (${deviceId})` : `device ${deviceId}`

function refuse(message: string): never {
  throw new PluginError({ kind: 'device', message })
}

/**
 * PCI base classes that a pod can have where no PF shows what a function is (include/linux/pci_ids.h): network,
 * processor (QAT), encryption, accelerator. A disk or a display of the node is none of them.
 */
const CLASSES: ReadonlySet<string> = new Set([NETWORK_CLASS, '0b', '10', '12'])

function requireKnownClass(files: FilePort, address: PciAddress): void {
  const text = classOf(files, address)
  if (text !== undefined && !CLASSES.has(baseClassOf(text))) {
    refuse(`deviceID: ${address} is no network device (its PCI class is ${text})`)
  }
}

/** Finds a device by its PCI address. @throws PluginError kind `device` saying what is missing */
export function locateDevice(files: FilePort, address: PciAddress): DeviceLocation {
  const pf = pfOf(files, address)
  if (pf === undefined) {
    if (!deviceExists(files, address)) {
      refuse(`deviceID: there is no PCI device ${address} on this node`)
    }
    if (isPf(files, address)) {
      refuse(`deviceID: ${address} is a PF, not a VF; master with pfOnly takes a PF as a whole`)
    }
    requireKnownClass(files, address)
    return { address }
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

/** What the host has of a device: its driver ("" for none), and the name of its interface if it has one. */
export interface HostPresence {
  readonly driver: string
  /** `second` is the other interface of a VF that has two (ConnectX-3). */
  readonly netdev?: { readonly name: string; readonly second?: string }
}

/** The interfaces of a device on the host, sorted by port: the first port comes first. */
function netdevNames(files: FilePort, { address, vf }: DeviceLocation): readonly string[] {
  if (!vf) {
    // A PF also lists the representors of its VFs: take only its own interface.
    const name = uplinkOf(files, address)
    return name === undefined ? [] : [name]
  }
  const port = (name: string) => devPortOf(files, name)
  return [...netdevsOf(files, address)].sort((left, right) => port(left) - port(right))
}

/**
 * Finds out what the host has of a device to give to a pod. A VF without an interface is of use only to a program in
 * user space: it has a driver for that, or the configuration asks for one (`dpdk`).
 * @throws PluginError kind `device` when it has neither, or more than two interfaces
 */
export function presenceOf(files: FilePort, location: DeviceLocation, dpdk: WantedDpdk | undefined): HostPresence {
  const who = describeDevice(location)
  const driver = driverOf(files, location.address)
  if (driver === undefined && !dpdk) {
    const override = driverOverrideOf(files, location.address)
    refuse(`${who} is bound to no driver${override === '' ? '' : `, because its driver_override is ${override}`}`)
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
