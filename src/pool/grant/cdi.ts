/**
 * Container Device Interface: the runtime, not kubelet, gives the device files to the container, as a specification says
 * (https://github.com/cncf-tags/container-device-interface, SPEC.md).
 */
import type { FilePort } from '../../host/ports.js'
import type { Grant } from '../../kubelet/offer.js'
import type { ResourceConf } from '../conf/conf.js'
import type { PoolDevice } from '../devices/pools.js'
import { deviceGrant } from './grant.js'

const FOLDER = '/var/run/cdi'
/** The first version with all that is used here. */
const VERSION = '0.5.0'

const pathOf = (resource: string, address: string): string =>
  `${FOLDER}/sriov-cni-${resource.replace(/\//g, '_')}-${address}.json`

/** Writes the specification of each device. Returns the grant by their names. @throws PluginError kind `state` */
export function writeCdiSpec(files: FilePort, conf: ResourceConf, devices: readonly PoolDevice[], grant: Grant): Grant {
  const { resource } = conf
  files.makeFolder(FOLDER)
  const named: string[] = []
  for (const device of devices) {
    const deviceNodes = deviceGrant(files, conf, device).nodes.map(({ path, permissions }) => ({
      path,
      hostPath: path,
      permissions,
    }))
    if (deviceNodes.length === 0) {
      // A specification without anything to do is not valid, and a device of the kernel needs none.
      continue
    }
    const spec = {
      cdiVersion: VERSION,
      kind: resource,
      devices: [{ name: device.address, containerEdits: { deviceNodes } }],
    }
    files.write(pathOf(resource, device.address), `${JSON.stringify(spec)}\n`)
    named.push(`${resource}=${device.address}`)
  }
  return { ...grant, nodes: [], cdiDevices: named }
}

/** @throws PluginError kind `state` */
export const removeCdiSpec = (files: FilePort, resource: string, address: string): void =>
  files.remove(pathOf(resource, address))
