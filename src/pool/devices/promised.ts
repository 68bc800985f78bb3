/** Ends promises that kubelet does not keep any more. */
import { devicesGiven } from '../../node/kubelet.js'
import type { CallHost } from '../../state/folder.js'
import { isYoungPromise, promisedDevices } from '../../state/promises.js'
import { forgetDevice } from '../grant/forget.js'
import type { InventoryDevice } from './inventory.js'

/** Whether a pod, or a call for one, has the device: then its promise holds, whatever kubelet says. */
const isTaken = ({ facts: { verdict } }: InventoryDevice): boolean =>
  verdict !== undefined && ['in-use', 'unfinished', 'leaked', 'foreign'].includes(verdict.state)

/**
 * Removes promises, and the files about them, of devices that kubelet counts as free and that nobody has. Nothing ends while
 * kubelet's checkpoint is missing or cannot be understood. True when one has ended.
 * @throws PluginError kind `state`
 */
export function endPromises(host: CallHost, devices: readonly InventoryDevice[]): boolean {
  const { files, log, clock, policy } = host
  const given = devicesGiven(files, policy.kubeletFolder)
  if (given === 'unknown' || given === 'none') {
    return false
  }
  const taken = new Set(devices.filter(isTaken).map(({ location }) => location.address))
  const ended = [...promisedDevices(files)].filter(([address, { resource, since }]) => {
    return !given.has(address) && !taken.has(address) && !isYoungPromise({ resource, since }, clock.dateMs())
  })
  for (const [address, { resource }] of ended) {
    forgetDevice(files, resource, address)
    log.info('the promise has ended: kubelet counts the device as free', { device: address, resource })
  }
  return ended.length > 0
}
