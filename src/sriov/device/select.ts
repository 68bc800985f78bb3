/**
 * Selects the VFs that a configuration means, in the order in which they are tried. Reads sysfs only: it does not check
 * who uses a VF.
 */
import type { DeviceChoice } from '../../cni/conf/device-choice.js'
import type { Selectors } from '../../cni/conf/selectors.js'
import { PluginError } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { driverOf, functionOf, isPf, numaNodeOf, pfOf, pfsOnHost, uplinkOf, vfsOf } from '../../pci/functions.js'
import type { VfLocation } from './locate.js'
import { matches } from './match.js'

function refuse(message: string): never {
  throw new PluginError({ kind: 'device', message })
}

interface Pf {
  readonly name: string
  readonly address: PciAddress
}

/** Finds a PF by the name of its interface. @throws PluginError kind `device` saying what is wrong with it */
export function pfByName(files: FilePort, key: string, name: string): Pf {
  const address = functionOf(files, name)
  if (address === undefined) {
    return refuse(`${key}: there is no interface ${name} of a PCI device on this node`)
  }
  if (!isPf(files, address)) {
    return refuse(`${key}: ${name} (${address}, driver ${driverOf(files, address) ?? 'none'}) has no SR-IOV`)
  }
  return { name, address }
}

const vfsAt = (files: FilePort, { name, address }: Pf): VfLocation[] => {
  const driver = driverOf(files, address) ?? 'none'
  return vfsOf(files, address).map((vf) => ({
    address: vf.address,
    vf: { index: vf.index, pf: { address, name, driver } },
  }))
}

/**
 * The VFs of a PF, or only the one with the given index.
 * @throws PluginError kind `device` when it has none, or not the one with that index
 */
function vfsOfPf(files: FilePort, key: string, pfName: string, vfIndex?: number): VfLocation[] {
  const vfs = vfsAt(files, pfByName(files, key, pfName))
  if (vfs.length === 0) {
    return refuse(`${key}: ${pfName} has no VFs; echo a number into /sys/class/net/${pfName}/device/sriov_numvfs`)
  }
  const chosen = vfIndex === undefined ? vfs : vfs.filter(({ vf }) => vf.index === vfIndex)
  return chosen.length > 0 ? chosen : refuse(`vf: ${pfName} has no VF ${vfIndex}, only ${vfs.length} VFs`)
}

function pfsFor(files: FilePort, { pfNames, rootDevices, pciAddresses }: Selectors): Pf[] {
  const withName = (address: PciAddress | undefined): Pf[] => {
    const name = address === undefined ? undefined : uplinkOf(files, address)
    return address === undefined || name === undefined ? [] : [{ address, name }]
  }
  const found = pfNames
    ? pfNames.flatMap(({ pf }) => withName(functionOf(files, pf)))
    : rootDevices
      ? rootDevices.flatMap(({ pf }) => withName(pf))
      : pciAddresses
        ? pciAddresses.flatMap((vf) => withName(pfOf(files, vf)))
        : pfsOnHost(files)
  return found.filter((pf, i) => found.findIndex(({ address }) => address === pf.address) === i)
}

/** How the VFs that selectors match are ordered. */
export interface Preference {
  /** Whether a VF looks free. PFs with more free VFs come first. */
  readonly isFree: (vf: VfLocation) => boolean
  /** The pod's NUMA node, if known. VFs on it come first. */
  readonly numaNode?: number
}

function selectedVfs(files: FilePort, selectors: Selectors, { isFree, numaNode }: Preference): VfLocation[] {
  const groups = pfsFor(files, selectors)
    .map((pf) => vfsAt(files, pf).filter((vf) => matches(files, selectors, { location: vf })))
    .filter((vfs) => vfs.length > 0)
    .map((vfs) => ({
      vfs,
      free: vfs.filter(isFree).length,
      isNear: numaNode !== undefined && vfs[0] !== undefined && numaNodeOf(files, vfs[0].address) === numaNode,
    }))
  // Array.sort() is stable: equal PFs keep their order.
  return groups
    .sort((left, right) => Number(right.isNear) - Number(left.isNear) || right.free - left.free)
    .flatMap(({ vfs }) => vfs)
}

/** A choice that can match more than one VF. */
export type OpenChoice = Extract<DeviceChoice, { by: 'pf' | 'selectors' }>

/**
 * The VFs that a configuration means, first choice first. A choice by PF starts with the lowest index. Selectors prefer
 * the pod's NUMA node if it is known, then the PF with the most free VFs.
 * @throws PluginError kind `device` when there are none
 */
export function candidates(files: FilePort, choice: OpenChoice, preference: Preference): VfLocation[] {
  if (choice.by === 'pf') {
    return vfsOfPf(files, choice.key, choice.pfName, choice.vfIndex)
  }
  const vfs = selectedVfs(files, choice.selectors, preference)
  return vfs.length > 0 ? vfs : refuse(`selectors: no VF on this node matches ${choice.text}`)
}
