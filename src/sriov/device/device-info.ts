/**
 * The device-information file: what a pod is told of its device (Network Plumbing Working Group, Device Information
 * Specification 1.1.0). Multus says where it is to be, and may have put one of the device plugin's there already.
 */
import { dirname } from 'node:path'
import type { FilePort } from '../../host/ports.js'
import { rdmaDeviceOf } from '../../pci/driver.js'
import type { AttachmentRecord } from '../../state/record.js'

const SPECIFICATION = '1.1.0'
const VHOST_NET = '/dev/vhost-net'

/** Whether a file describes a device: it then needs none of ours. */
const describes = (files: FilePort, path: string, address: string): boolean =>
  files.readText(path)?.includes(address) ?? false

/** The file that is to be made for a device; undefined when none is wanted, or one is there. */
export const deviceInfoToMake = (files: FilePort, path: string | undefined, address: string): string | undefined =>
  path === undefined || describes(files, path, address) ? undefined : path

function deviceInfo(files: FilePort, { deviceId, pf, dpdk, representor }: AttachmentRecord): object {
  const rdmaDevice = rdmaDeviceOf(files, deviceId)
  return {
    type: 'pci',
    version: SPECIFICATION,
    pci: {
      'pci-address': deviceId,
      ...(pf && { 'pf-pci-address': pf.address }),
      // By it a program in user space hands packets to the kernel; an interface of the kernel needs none.
      ...(dpdk && files.exists(VHOST_NET) && { 'vhost-net': VHOST_NET }),
      ...(rdmaDevice !== undefined && { 'rdma-device': rdmaDevice }),
      ...(representor && { 'representor-device': representor.name }),
    },
  }
}

/** Makes the file that a record promises. @throws PluginError kind `state` */
export function writeDeviceInfo(files: FilePort, record: AttachmentRecord): void {
  const { deviceInfoFile } = record
  if (deviceInfoFile !== undefined) {
    files.makeFolder(dirname(deviceInfoFile))
    files.write(deviceInfoFile, `${JSON.stringify(deviceInfo(files, record))}\n`)
  }
}

/** Removes the file that we made, unless it is about another device by now. @throws PluginError kind `state` */
export function removeDeviceInfo(files: FilePort, { deviceInfoFile, deviceId }: AttachmentRecord): void {
  if (deviceInfoFile !== undefined && describes(files, deviceInfoFile, deviceId)) {
    files.remove(deviceInfoFile)
  }
}
