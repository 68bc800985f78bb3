/**
 * What kubelet's device manager has written down (pkg/kubelet/cm/devicemanager/checkpoint): in `Data`, the functions that
 * device plugins registered, `RegisteredDevices{resource:[id]}`, and those that pods have,
 * `PodDeviceEntries[{PodUID, DeviceIDs{numaNode:[id]}}]`.
 */
import { isJsonObject, valueAt } from '../cni/json.js'
import type { FilePort } from '../host/ports.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'

/** Where kubelet's checkpoint is. */
export const checkpointPath = (kubeletFolder: string): string =>
  `${kubeletFolder}/device-plugins/kubelet_internal_checkpoint`

/** Where kubelet tells which pod has which device. */
export const podResourcesSocket = (kubeletFolder: string): string => `${kubeletFolder}/pod-resources/kubelet.sock`

const addressesIn = (ids: readonly unknown[]): PciAddress[] =>
  ids.flatMap((id) => (typeof id === 'string' ? (parsePciAddress(id) ?? []) : []))

/** The values of an object, or nothing. */
const valuesOf = (value: unknown): unknown[] => (isJsonObject(value) ? Object.values(value) : [])

/** What a checkpoint says: `unknown` when it is there and has no form that is known. */
type Checkpoint = { readonly data: unknown } | 'none' | 'unknown'

function readCheckpoint(files: FilePort, kubeletFolder: string): Checkpoint {
  const text = files.readText(checkpointPath(kubeletFolder))
  if (text === undefined) {
    return 'none'
  }
  try {
    const data = valueAt(JSON.parse(text), 'Data')
    const registered = valueAt(data, 'RegisteredDevices')
    return isJsonObject(data) && (isJsonObject(registered) || registered === null || registered === undefined)
      ? { data }
      : 'unknown'
  } catch {
    return 'unknown'
  }
}

/**
 * The PCI functions that kubelet hands out through device plugins. Empty without a kubelet; `unknown` when its checkpoint
 * cannot be understood.
 */
export function kubeletDevices(files: FilePort, kubeletFolder: string): ReadonlySet<PciAddress> | 'unknown' {
  const checkpoint = readCheckpoint(files, kubeletFolder)
  if (typeof checkpoint === 'string') {
    return checkpoint === 'none' ? new Set() : 'unknown'
  }
  return new Set(addressesIn(valuesOf(valueAt(checkpoint.data, 'RegisteredDevices')).flat()))
}

/** The resources that device plugins registered without any device. */
export function emptyResources(files: FilePort, kubeletFolder: string): readonly string[] {
  const checkpoint = readCheckpoint(files, kubeletFolder)
  const registered = typeof checkpoint === 'string' ? undefined : valueAt(checkpoint.data, 'RegisteredDevices')
  return Object.entries(isJsonObject(registered) ? registered : {}).flatMap(([resource, ids]) =>
    ids === null || (Array.isArray(ids) && ids.length === 0) ? [resource] : [],
  )
}

interface GivenDevice {
  readonly podUid: unknown
  readonly address: PciAddress
  /** "" when the checkpoint does not say it. */
  readonly resource: string
}

/** The functions that pods have. */
function givenDevices(checkpoint: Checkpoint): readonly GivenDevice[] {
  const entries = typeof checkpoint === 'string' ? [] : valueAt(checkpoint.data, 'PodDeviceEntries')
  return (Array.isArray(entries) ? entries : []).flatMap((one) => {
    const ids = valueAt(one, 'DeviceIDs')
    const resource = valueAt(one, 'ResourceName')
    // Before Kubernetes 1.20 this was a plain list.
    return addressesIn(Array.isArray(ids) ? ids : valuesOf(ids).flat()).map((address) => ({
      podUid: valueAt(one, 'PodUID'),
      address,
      resource: typeof resource === 'string' ? resource : '',
    }))
  })
}

/**
 * The PCI functions that kubelet has given to pods, and as what resource; `none` without a checkpoint, `unknown` when it
 * cannot be understood.
 */
export function devicesGiven(
  files: FilePort,
  kubeletFolder: string,
): ReadonlyMap<PciAddress, string> | 'none' | 'unknown' {
  const checkpoint = readCheckpoint(files, kubeletFolder)
  return typeof checkpoint === 'string'
    ? checkpoint
    : new Map(givenDevices(checkpoint).map(({ address, resource }) => [address, resource]))
}

/**
 * The PCI functions of pods that are gone, by kubelet's checkpoint: it is written when a device is given, not when a pod ends. The
 * folder of a pod tells (GetPodDir() of pkg/kubelet), and comes a moment after its devices were given. Nothing where no pod at all
 * has one: kubelet keeps them elsewhere.
 */
export function devicesOfGonePods(files: FilePort, kubeletFolder: string): ReadonlySet<PciAddress> {
  const given = givenDevices(readCheckpoint(files, kubeletFolder))
  const isThere = ({ podUid }: GivenDevice) => files.exists(`${kubeletFolder}/pods/${String(podUid)}`)
  const gone =
    given.length === 0 || files.list(`${kubeletFolder}/pods`).length === 0 ? [] : given.filter((one) => !isThere(one))
  return new Set(gone.map(({ address }) => address))
}

/** The PCI functions that kubelet has given to pods other than this one, and not to it. */
export function devicesOfOtherPods(files: FilePort, kubeletFolder: string, podUid: string): ReadonlySet<PciAddress> {
  const checkpoint = readCheckpoint(files, kubeletFolder)
  const given = givenDevices(checkpoint)
  const own = new Set(given.filter((one) => one.podUid === podUid).map(({ address }) => address))
  return new Set(given.map(({ address }) => address).filter((address) => !own.has(address)))
}

/** The PCI functions that kubelet has given to a pod; undefined when its checkpoint does not tell. */
export function devicesOfPod(
  files: FilePort,
  kubeletFolder: string,
  podUid: string,
): ReadonlySet<PciAddress> | undefined {
  const checkpoint = readCheckpoint(files, kubeletFolder)
  return typeof checkpoint === 'string'
    ? undefined
    : new Set(givenDevices(checkpoint).flatMap((one) => (one.podUid === podUid ? one.address : [])))
}
