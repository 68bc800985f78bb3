/**
 * The file that tells Multus about a device, which hands it to the CNI plugin and into the status of the pod (Network Plumbing
 * Working Group, Device Information Specification 1.1.0). It stays while the device is promised.
 */
import type { FilePort } from '../../host/ports.js'
import { describePciDevice } from '../../sriov/device/device-info.js'
import type { ResourceConf } from '../conf/conf.js'
import type { PoolDevice } from '../devices/pools.js'

const FOLDER = '/var/run/k8s.cni.cncf.io/devinfo/dp'

const pathOf = (resource: string, address: string): string =>
  `${FOLDER}/${resource.replace(/\//g, '-')}-${address}-device.json`

/** @throws PluginError kind `state` */
export function writeDeviceInfo(files: FilePort, { resource }: ResourceConf, device: PoolDevice): void {
  const { address, pf, choice } = device
  files.makeFolder(FOLDER)
  const facts = { address, isVhostNetNeeded: choice.needsVhostNet, ...(pf !== '' && { pfAddress: pf }) }
  files.write(pathOf(resource, address), describePciDevice(files, facts))
}

/** @throws PluginError kind `state` */
export const removeDeviceInfo = (files: FilePort, resource: string, address: string): void =>
  files.remove(pathOf(resource, address))
