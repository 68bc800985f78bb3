/**
 * Container Device Interface: the runtime, not kubelet, gives the device files to the container, as a specification says
 * (https://github.com/cncf-tags/container-device-interface, SPEC.md).
 */
import type { FilePort } from '../../host/ports.js'
import type { Grant } from '../../kubelet/offer.js'
import type { ResourceConf } from '../conf/conf.js'
import type { Pool, PoolDevice } from '../devices/pools.js'
import { deviceGrant } from './grant.js'

const FOLDER = '/var/run/cdi'
/** The first version with all that is used here. */
const VERSION = '0.5.0'

const pathOf = (resource: string, address: string): string =>
  `${FOLDER}/sriov-cni-${resource.replace(/\//g, '_')}-${address}.json`

/** The specification of a device; undefined for one of the kernel, which needs no device file. */
function specOf(files: FilePort, conf: ResourceConf, device: PoolDevice): string | undefined {
  const deviceNodes = deviceGrant(files, conf, device).nodes.map(({ path, permissions }) => ({
    path,
    hostPath: path,
    permissions,
  }))
  // A specification without anything to do is not valid.
  return deviceNodes.length === 0
    ? undefined
    : `${JSON.stringify({
        cdiVersion: VERSION,
        kind: conf.resource,
        devices: [{ name: device.address, containerEdits: { deviceNodes } }],
      })}\n`
}

/** Writes the specification of each device. Returns the grant by their names. @throws PluginError kind `state` */
export function writeCdiSpec(files: FilePort, conf: ResourceConf, devices: readonly PoolDevice[], grant: Grant): Grant {
  const { resource } = conf
  files.makeFolder(FOLDER)
  const named: string[] = []
  for (const device of devices) {
    const spec = specOf(files, conf, device)
    if (spec !== undefined) {
      files.write(pathOf(resource, device.address), spec)
      named.push(`${resource}=${device.address}`)
    }
  }
  return { ...grant, nodes: [], cdiDevices: named }
}

/**
 * Writes again what a boot has removed: the folder is in memory, and kubelet starts the pods of before with the names that it
 * was given then, without another Allocate. One that is there stays: in a pod, a device may show fewer files.
 * @throws PluginError kind `state`
 */
export function keepCdiSpecs(files: FilePort, { conf, devices }: Pool): void {
  const given = conf.cdi ? devices.filter(({ isGiven }) => isGiven) : []
  for (const device of given) {
    const path = pathOf(conf.resource, device.address)
    const spec = files.exists(path) ? undefined : specOf(files, conf, device)
    if (spec !== undefined) {
      files.makeFolder(FOLDER)
      files.write(path, spec)
    }
  }
}

/** @throws PluginError kind `state` */
export const removeCdiSpec = (files: FilePort, resource: string, address: string): void =>
  files.remove(pathOf(resource, address))
