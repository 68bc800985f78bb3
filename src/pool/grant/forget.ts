import type { FilePort } from '../../host/ports.js'
import { removePromise } from '../../state/promises.js'
import { removeCdiSpec } from './cdi.js'
import { removeDeviceInfo } from './device-info.js'

/** Removes what Allocate has written about a device; the promise last. @throws PluginError kind `state` */
export function forgetDevice(files: FilePort, resource: string, address: string): void {
  removeDeviceInfo(files, resource, address)
  removeCdiSpec(files, resource, address)
  removePromise(files, address)
}
