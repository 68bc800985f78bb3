import { basename } from 'node:path'
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from './address.js'

const DEVICES = '/sys/bus/pci/devices'
const VF_LINK = /^virtfn(\d+)$/
/** Physical port of a card; representors are called `pf0vf3` or the like (Documentation/networking/switchdev.rst). */
const UPLINK_PORT = /^p\d+$/

/** The sysfs folder of a PCI function (Documentation/ABI/testing/sysfs-bus-pci). */
export const deviceFolder = (address: PciAddress): string => `${DEVICES}/${address}`

export const deviceExists = (files: FilePort, address: PciAddress): boolean => files.exists(deviceFolder(address))

/** Whether a network interface lives in this process's view of /sys. */
export const interfaceExists = (files: FilePort, name: string): boolean => files.exists(`/sys/class/net/${name}`)

function linkTarget(files: FilePort, path: string): string | undefined {
  const target = files.readLink(path)
  return target === undefined ? undefined : basename(target)
}

/** The PF of a VF; undefined for a PF, and for a VF whose PF is not visible (inside a virtual machine). */
export const pfOf = (files: FilePort, vf: PciAddress): PciAddress | undefined =>
  linkTarget(files, `${deviceFolder(vf)}/physfn`)

/** The kernel driver that a function is bound to; undefined when none. */
export const driverOf = (files: FilePort, address: PciAddress): string | undefined =>
  linkTarget(files, `${deviceFolder(address)}/driver`)

/** The network interfaces of a function that live in this process's view of /sys: those in pods do not show. */
export const netdevsOf = (files: FilePort, address: PciAddress): readonly string[] =>
  files.list(`${deviceFolder(address)}/net`)

/** The number of a VF among the VFs of its PF, from the virtfn<N> links; undefined when the PF does not list it. */
export function vfIndexOf(files: FilePort, pf: PciAddress, vf: PciAddress): number | undefined {
  for (const name of files.list(deviceFolder(pf))) {
    const digits = VF_LINK.exec(name)?.[1]
    if (digits !== undefined && linkTarget(files, `${deviceFolder(pf)}/${name}`) === vf) {
      return Number(digits)
    }
  }
  return undefined
}

/** The interface of a PF itself, where representors of its VFs stand beside it; undefined when it has none here. */
export function uplinkOf(files: FilePort, pf: PciAddress): string | undefined {
  return netdevsOf(files, pf).find((name) => {
    const port = files.readText(`${deviceFolder(pf)}/net/${name}/phys_port_name`)?.trim() ?? ''
    return port === '' || UPLINK_PORT.test(port)
  })
}
