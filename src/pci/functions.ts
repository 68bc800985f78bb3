import { basename, dirname } from 'node:path'
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from './address.js'

const DEVICES = '/sys/bus/pci/devices'
const VF_LINK = /^virtfn(\d+)$/
/**
 * Port name of a card's physical port. Representors have names like `pf0vf3` (Documentation/networking/switchdev.rst).
 */
const UPLINK_PORT = /^p\d+$/

/** The sysfs folder of a PCI function (Documentation/ABI/testing/sysfs-bus-pci). */
export const deviceFolder = (address: PciAddress): string => `${DEVICES}/${address}`

export const deviceExists = (files: FilePort, address: PciAddress): boolean => files.exists(deviceFolder(address))

/** Whether this process's view of /sys shows a network interface. */
export const interfaceExists = (files: FilePort, name: string): boolean => files.exists(`/sys/class/net/${name}`)

function linkTarget(files: FilePort, path: string): string | undefined {
  const target = files.readLink(path)
  return target === undefined ? undefined : basename(target)
}

/** The PF of a VF. Undefined for a PF, and for a VF whose PF is not visible (inside a virtual machine). */
export const pfOf = (files: FilePort, vf: PciAddress): PciAddress | undefined =>
  linkTarget(files, `${deviceFolder(vf)}/physfn`)

/** The kernel driver of a function; undefined when it has none. */
export const driverOf = (files: FilePort, address: PciAddress): string | undefined =>
  linkTarget(files, `${deviceFolder(address)}/driver`)

/** The name of a virtio device, which sits between a PCI function and its interface. */
const VIRTIO = /^virtio\d+$/

/** The network interfaces of a function in this process's view of /sys, which does not show those in pods. */
export function netdevsOf(files: FilePort, address: PciAddress): readonly string[] {
  const folder = deviceFolder(address)
  const names = files.list(`${folder}/net`)
  if (names.length > 0 || driverOf(files, address) !== 'virtio-pci') {
    return names
  }
  const virtio = files.list(folder).find((name) => VIRTIO.test(name))
  return virtio === undefined ? [] : files.list(`${folder}/${virtio}/net`)
}

/** The PCI function behind a network interface; undefined for a virtual interface, or one in another namespace. */
export function functionOf(files: FilePort, interfaceName: string): PciAddress | undefined {
  const device = linkTarget(files, `/sys/class/net/${interfaceName}/device`)
  if (device === undefined || !VIRTIO.test(device)) {
    return device
  }
  const path = files.readLink(`/sys/bus/virtio/devices/${device}`)
  return path === undefined ? undefined : basename(dirname(path))
}

/** A VF and its index at its PF. */
export interface NumberedVf {
  readonly index: number
  readonly address: PciAddress
}

/** The VFs of a PF from its virtfn<N> links, lowest index first. */
export const vfsOf = (files: FilePort, pf: PciAddress): NumberedVf[] =>
  files
    .list(deviceFolder(pf))
    .flatMap((name) => {
      const digits = VF_LINK.exec(name)?.[1]
      const address = digits === undefined ? undefined : linkTarget(files, `${deviceFolder(pf)}/${name}`)
      return address === undefined ? [] : [{ index: Number(digits), address }]
    })
    .sort((left, right) => left.index - right.index)

/** Every PCI function of the machine. */
export const allFunctions = (files: FilePort): readonly PciAddress[] => files.list(DEVICES)

/** Whether a function can have VFs. */
export const isPf = (files: FilePort, address: PciAddress): boolean =>
  files.exists(`${deviceFolder(address)}/sriov_numvfs`)

/** The PFs that have an interface on the host, sorted by interface name. */
export const pfsOnHost = (files: FilePort): { readonly name: string; readonly address: PciAddress }[] =>
  [...files.list('/sys/class/net')].sort().flatMap((name) => {
    const address = functionOf(files, name)
    return address !== undefined && isPf(files, address) && uplinkOf(files, address) === name ? [{ name, address }] : []
  })

const attributeOf = (files: FilePort, address: PciAddress, name: string): string | undefined =>
  files.readText(`${deviceFolder(address)}/${name}`)?.trim()

/** How many VFs a PF can have, or was told to have; 0 when sysfs does not say it. */
export const sriovCountOf = (files: FilePort, pf: PciAddress, attribute: 'sriov_totalvfs' | 'sriov_numvfs'): number =>
  Number(attributeOf(files, pf, attribute) ?? '0')

/** Whether the kernel binds the VFs of a PF to their drivers as they appear. */
export const isBoundByKernel = (files: FilePort, pf: PciAddress): boolean =>
  attributeOf(files, pf, 'sriov_drivers_autoprobe') !== '0'

/** The PCI class of a function, such as `0x020000`; undefined when sysfs does not show it. */
export const classOf = (files: FilePort, address: PciAddress): string | undefined =>
  attributeOf(files, address, 'class')

/** The base class in a PCI class, two hexadecimal digits (include/linux/pci_ids.h). */
export const baseClassOf = (text: string): string => /^0x([0-9a-f]{2})[0-9a-f]{4}$/.exec(text)?.[1] ?? ''

/** The base class of network controllers. */
export const NETWORK_CLASS = '02'

/** Vendor and device ID, four hexadecimal digits each; "" when sysfs does not show them. */
export const idsOf = (files: FilePort, address: PciAddress): { readonly vendor: string; readonly device: string } => {
  const id = (name: string) => attributeOf(files, address, name)?.replace(/^0x/, '').toLowerCase() ?? ''
  return { vendor: id('vendor'), device: id('device') }
}

/** The number that the firmware gives to the slot of a function (ACPI _DSM); undefined when it gives none. */
export const acpiIndexOf = (files: FilePort, address: PciAddress): string | undefined =>
  attributeOf(files, address, 'acpi_index')

/** The default partition key of an RDMA device, at index 0 of its first port, as text; undefined on Ethernet. */
export const defaultPKeyOf = (files: FilePort, rdmaDevice: string): string | undefined =>
  files.readText(`/sys/class/infiniband/${rdmaDevice}/ports/1/pkeys/0`)?.trim()

/** The NUMA node of a function; undefined when the machine has none (-1). */
export function numaNodeOf(files: FilePort, address: PciAddress): number | undefined {
  const node = Number(attributeOf(files, address, 'numa_node') ?? '-1')
  return node >= 0 ? node : undefined
}

const netdevAttributeOf = (files: FilePort, interfaceName: string, attribute: string): string =>
  files.readText(`/sys/class/net/${interfaceName}/${attribute}`)?.trim() ?? ''

/** The index of an interface in our namespace; undefined when it is not there. */
export function interfaceIndexOf(files: FilePort, interfaceName: string): number | undefined {
  const text = netdevAttributeOf(files, interfaceName, 'ifindex')
  return text === '' ? undefined : Number(text)
}

/** ARPHRD_* of include/uapi/linux/if_arp.h, with the names that the device plugin uses. */
const LINK_TYPES: Readonly<Record<string, string>> = { 1: 'ether', 32: 'infiniband' }

/** The link type of an interface, `ether` or `infiniband`; undefined for others. */
export const linkTypeOf = (files: FilePort, interfaceName: string): string | undefined =>
  LINK_TYPES[netdevAttributeOf(files, interfaceName, 'type')]

/** The port of an interface on a card with several ports behind one function (ConnectX-3); 0 when not stated. */
export const devPortOf = (files: FilePort, interfaceName: string): number =>
  Number(netdevAttributeOf(files, interfaceName, 'dev_port'))

/**
 * The routing ID: bus, device and function as one number, in which SR-IOV counts (PCIe base specification, 9.2.1.2).
 */
function routingIdOf(address: PciAddress): number {
  const [bus = '', device = '', func = ''] = address.slice(address.indexOf(':') + 1).split(/[:.]/)
  return (Number.parseInt(bus, 16) << 8) | (Number.parseInt(device, 16) << 3) | Number.parseInt(func, 16)
}

/**
 * The index that a VF's address implies, from the offset and stride of its PF (sysfs-bus-pci, since 4.14). NaN when
 * sysfs shows neither.
 */
function expectedIndex(files: FilePort, pf: PciAddress, vf: PciAddress): number {
  const [offset, stride] = ['sriov_offset', 'sriov_stride'].map((name) =>
    Number(attributeOf(files, pf, name) ?? 'none'),
  )
  return (routingIdOf(vf) - routingIdOf(pf) - (offset ?? 0)) / (stride ?? 0)
}

/** The index of a VF at its PF, from the virtfn<N> links; undefined when the PF does not list it. */
export function vfIndexOf(files: FilePort, pf: PciAddress, vf: PciAddress): number | undefined {
  const expected = expectedIndex(files, pf, vf)
  if (Number.isInteger(expected) && linkTarget(files, `${deviceFolder(pf)}/virtfn${expected}`) === vf) {
    return expected
  }
  for (const name of files.list(deviceFolder(pf))) {
    const digits = VF_LINK.exec(name)?.[1]
    if (digits !== undefined && linkTarget(files, `${deviceFolder(pf)}/${name}`) === vf) {
      return Number(digits)
    }
  }
  return undefined
}

/** Port name of a VF's representor: `pf0vf3` or `c1pf0vf3`, and `3` with older mlx5 (devlink-port.rst). */
const VF_PORT = /^(?:(?:c\d+)?pf(\d+)vf(\d+)|(\d+))$/

const portOf = (files: FilePort, interfaceName: string): string =>
  netdevAttributeOf(files, interfaceName, 'phys_port_name')

const switchOf = (files: FilePort, interfaceName: string): string =>
  netdevAttributeOf(files, interfaceName, 'phys_switch_id')

/** Whether a PF's interface belongs to a switch with representors (switchdev mode). */
export const isSwitchdev = (files: FilePort, uplink: string): boolean => switchOf(files, uplink) !== ''

/**
 * The representor of a VF: the interface on its PF's switch whose port name has the VF's index. `uplink` is the PF's
 * own interface. Undefined when the card is not in switchdev mode.
 */
export function representorOf(files: FilePort, pf: PciAddress, uplink: string, index: number): string | undefined {
  const id = switchOf(files, uplink)
  if (id === '') {
    return undefined
  }
  const isOfVf = (name: string): boolean => {
    const [, pfNumber, vfNumber, bare] = VF_PORT.exec(portOf(files, name)) ?? []
    return Number(vfNumber ?? bare) === index && (pfNumber === undefined || pf.endsWith(`.${pfNumber}`))
  }
  // Most drivers put it beside the uplink; otherwise search all interfaces of the same switch.
  return [...netdevsOf(files, pf), ...files.list('/sys/class/net')].find(
    (name) => name !== uplink && isOfVf(name) && switchOf(files, name) === id,
  )
}

/** The interface of the PF itself, not a representor of its VFs; undefined when the PF has none in /sys. */
export function uplinkOf(files: FilePort, pf: PciAddress): string | undefined {
  return netdevsOf(files, pf).find((name) => {
    const port = portOf(files, name)
    return port === '' || UPLINK_PORT.test(port)
  })
}
