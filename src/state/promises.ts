/**
 * Which VF the device plugin has promised to a pod of kubelet's: `.promises/<BDF>` in the node's folder. The promise begins
 * with kubelet's Allocate, before the pod has a sandbox, and ends when kubelet counts the device as free again.
 */
import { NODE_FOLDER } from '../cni/folders.js'
import { isJsonObject } from '../cni/json.js'
import type { FilePort } from '../host/ports.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import { readOwn } from './own-file.js'

const FOLDER = `${NODE_FOLDER}/.promises`

export interface VfPromise {
  /** The resource that the pod asked for: `intel.com/sriov`. */
  readonly resource: string
  /** ISO 8601, UTC. */
  readonly since: string
}

const pathOf = (device: PciAddress): string => `${FOLDER}/${device}`

function parse(text: string): VfPromise | undefined {
  try {
    const read: unknown = JSON.parse(text)
    const { resource, since } = isJsonObject(read) ? read : {}
    return typeof resource === 'string' && typeof since === 'string' ? { resource, since } : undefined
  } catch {
    return undefined
  }
}

function read(files: FilePort, device: PciAddress): VfPromise | undefined {
  try {
    return parse(readOwn(files, pathOf(device)) ?? '')
  } catch {
    // One that cannot be read concerns its device only.
    return undefined
  }
}

/** kubelet writes its checkpoint right after Allocate; the pod's ADD may follow much later. */
const YOUNG_MS = 60_000

/** Whether kubelet may not have written down yet what it was promised. After a clock was set back it is not young. */
export const isYoungPromise = ({ since }: VfPromise, nowMs: number): boolean =>
  Math.abs(nowMs - Date.parse(since)) < YOUNG_MS

/** The devices that are promised. A promise that cannot be read counts, with no resource. */
export const promisedDevices = (files: FilePort): ReadonlyMap<PciAddress, VfPromise> =>
  new Map(
    files
      .list(FOLDER)
      .filter((name) => parsePciAddress(name) === name)
      .map((device) => [device, read(files, device) ?? { resource: '', since: '' }]),
  )

/** Survives a kill of this process, not a power cut: no pod of kubelet's does. @throws PluginError kind `state` */
export function writePromise(files: FilePort, device: PciAddress, promise: VfPromise): void {
  files.makeFolder(FOLDER)
  files.write(pathOf(device), JSON.stringify(promise))
}

/** @throws PluginError kind `state` */
export const removePromise = (files: FilePort, device: PciAddress): void => files.remove(pathOf(device))
