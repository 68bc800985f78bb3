/**
 * The device-information file tells a pod about its device (Network Plumbing Working Group, Device Information
 * Specification 1.1.0). Multus chooses the path. The device plugin may have written a file there already.
 */
import { dirname } from 'node:path'
import { PluginError } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import { distrustOf } from '../../node/trust.js'
import { rdmaDeviceOf } from '../../pci/driver.js'
import type { AttachmentRecord } from '../../state/record.js'

const SPECIFICATION = '1.1.0'
const VHOST_NET = '/dev/vhost-net'

/** Whether a file already describes a device. We then write none of our own. */
const describes = (files: FilePort, path: string, address: string): boolean =>
  files.readText(path)?.includes(address) ?? false

/**
 * The path of the file to write for a device. Undefined when no file is wanted, or when one already describes the
 * device.
 * @throws PluginError kind `config` when something else is there: it is not ours
 */
export function deviceInfoToMake(files: FilePort, path: string | undefined, address: string): string | undefined {
  if (path === undefined || describes(files, path, address)) {
    return undefined
  }
  if (files.exists(path)) {
    const problem = `${path} exists and does not describe ${address}; it was not touched`
    throw new PluginError({ kind: 'config', issues: [{ key: 'runtimeConfig.CNIDeviceInfoFile', problem }] })
  }
  return path
}

/** What to tell about a device. */
export interface PciDeviceFacts {
  readonly address: string
  readonly pfAddress?: string
  readonly isVhostNetNeeded: boolean
  readonly representor?: string
}

/** The text of a device-information file. */
export function describePciDevice(
  files: FilePort,
  { address, pfAddress, isVhostNetNeeded, representor }: PciDeviceFacts,
): string {
  const rdmaDevice = rdmaDeviceOf(files, address)
  const facts = {
    type: 'pci',
    version: SPECIFICATION,
    pci: {
      'pci-address': address,
      ...(pfAddress !== undefined && { 'pf-pci-address': pfAddress }),
      ...(isVhostNetNeeded && files.exists(VHOST_NET) && { 'vhost-net': VHOST_NET }),
      ...(rdmaDevice !== undefined && { 'rdma-device': rdmaDevice }),
      ...(representor !== undefined && { 'representor-device': representor }),
    },
  }
  return `${JSON.stringify(facts)}\n`
}

const describeRecord = (files: FilePort, { deviceId, pf, dpdk, representor }: AttachmentRecord): string =>
  describePciDevice(files, {
    address: deviceId,
    // vhost-net lets a program in user space pass packets to the kernel. A kernel interface does not need it.
    isVhostNetNeeded: dpdk !== undefined,
    ...(pf && { pfAddress: pf.address }),
    ...(representor && { representor: representor.name }),
  })

/** Writes the device-information file that a record names, if it names one. @throws PluginError kind `state` */
export function writeDeviceInfo(files: FilePort, record: AttachmentRecord): void {
  const { deviceInfoFile } = record
  if (deviceInfoFile !== undefined) {
    files.makeFolder(dirname(deviceInfoFile))
    files.write(deviceInfoFile, describeRecord(files, record))
  }
}

/**
 * Removes the file that we wrote, unless it now describes another device, or others than root can write there by now.
 * @throws PluginError kind `state`
 */
export function removeDeviceInfo(files: FilePort, { deviceInfoFile, deviceId }: AttachmentRecord): void {
  if (
    deviceInfoFile !== undefined &&
    distrustOf(files, deviceInfoFile) === undefined &&
    describes(files, deviceInfoFile, deviceId)
  ) {
    files.remove(deviceInfoFile)
  }
}
