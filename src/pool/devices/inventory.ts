/** Every device that a resource could have, with what decides about it. Changes nothing and takes no lock. */
import { devicesGiven } from '../../node/kubelet.js'
import {
  allFunctions,
  baseClassOf,
  classOf,
  driverOf,
  interfaceIndexOf,
  isPf,
  NETWORK_CLASS,
  netdevsOf,
  numaNodeOf,
  sriovCountOf,
} from '../../pci/functions.js'
import type { DeviceLocation, VfLocation } from '../../sriov/device/locate.js'
import { type SurveyedVf, survey } from '../../sriov/survey/survey.js'
import { carriesDefaultRoute, hostUseOf } from '../../sriov/users/host-use.js'
import type { CallHost } from '../../state/folder.js'
import { promisedDevices, type VfPromise } from '../../state/promises.js'
import type { DeviceType } from '../conf/conf-schema.js'
import type { HealthFacts } from './health.js'

/** Base classes by the types that a resource asks for (include/linux/pci_ids.h). */
const CLASSES: Readonly<Record<DeviceType, string>> = { netDevice: NETWORK_CLASS, accelerator: '12' }

export interface InventoryDevice {
  readonly location: DeviceLocation
  readonly type: DeviceType
  readonly ownDriver: string
  readonly numaNode?: number
  /** The interface of the PF has no carrier, or is down. */
  readonly isWithoutCarrier: boolean
  /** Present while kubelet counts it as a pod's, or we have promised it and kubelet has not yet said so. */
  readonly promise?: VfPromise
  readonly facts: Omit<HealthFacts, 'isWithoutCarrier'>
}

export interface Inventory {
  readonly devices: readonly InventoryDevice[]
  /** The indexes of the interfaces of all PFs and devices: their carrier and their addresses matter. */
  readonly links: ReadonlySet<number>
}

const NOTHING_PROMISED: VfPromise = { resource: '', since: '' }

function typeOf({ files }: CallHost, address: string): DeviceType | undefined {
  const base = baseClassOf(classOf(files, address) ?? '')
  return base === CLASSES.netDevice ? 'netDevice' : base === CLASSES.accelerator ? 'accelerator' : undefined
}

/** A DEL that is at work, or ended before it was complete. */
const isBeingGivenBack = ({ record, verdict }: SurveyedVf): boolean =>
  verdict.state === 'unfinished' && record?.phase === 'releasing' && verdict.reason !== 'other-boot'

const locationOf = ({ index, pf }: SurveyedVf): VfLocation['vf'] => ({
  index,
  pf: { address: pf.address, name: pf.name ?? '', driver: pf.driver },
})

function ofVf(vf: SurveyedVf, promise: VfPromise | undefined, type: DeviceType, numaNode?: number): InventoryDevice {
  const { address, pf, facts, record, verdict } = vf
  return {
    location: { address, vf: locationOf(vf) },
    type,
    // A pod may have bound it to another driver, which its DEL undoes.
    ownDriver: record && record.driver !== '' ? record.driver : facts.driver,
    isWithoutCarrier: pf.link?.hasCarrier === false,
    facts: {
      verdict,
      isPromised: promise !== undefined,
      isBeingGivenBack: isBeingGivenBack(vf),
      isPfGiven: pf.isGiven,
      hasDriver: true,
    },
    ...(numaNode !== undefined && { numaNode }),
    ...(promise && { promise }),
  }
}

/** A function whose PF is not visible, or that is no VF; undefined for one that is never offered. */
async function ofOther(
  host: CallHost,
  address: string,
  promise: VfPromise | undefined,
  type: DeviceType,
): Promise<InventoryDevice | undefined> {
  const { files } = host
  const location: DeviceLocation = { address }
  if (isPf(files, address) && sriovCountOf(files, address, 'sriov_numvfs') > 0) {
    return undefined
  }
  if (await carriesDefaultRoute(host, location)) {
    return undefined
  }
  const numaNode = numaNodeOf(files, address)
  const hostUse = await hostUseOf(host, location)
  const ownDriver = driverOf(files, address) ?? ''
  return {
    location,
    type,
    ownDriver,
    isWithoutCarrier: false,
    facts: {
      isPromised: promise !== undefined,
      isBeingGivenBack: false,
      isPfGiven: false,
      hasDriver: ownDriver !== '',
      ...(hostUse !== undefined && { hostUse }),
    },
    ...(numaNode !== undefined && { numaNode }),
    ...(promise && { promise }),
  }
}

/** @throws PluginError kinds `kernel`, `state`, `netns` */
export async function takeInventory(host: CallHost): Promise<Inventory> {
  const { files } = host
  const { pfs, vfs } = await survey(host)
  const promises = promisedDevices(files)
  const given = devicesGiven(files, host.policy.kubeletFolder)
  const isGiven = (address: string) => given === 'unknown' || (given !== 'none' && given.has(address))
  const promiseOf = (address: string) => promises.get(address) ?? (isGiven(address) ? NOTHING_PROMISED : undefined)
  const byAddress = new Map(vfs.map((vf) => [vf.address, vf]))
  const devices: InventoryDevice[] = []
  for (const address of allFunctions(files)) {
    const type = typeOf(host, address)
    if (type === undefined) {
      continue
    }
    const vf = byAddress.get(address)
    if (vf?.verdict.reason === 'host-use' && (await carriesDefaultRoute(host, { address, vf: locationOf(vf) }))) {
      continue
    }
    if (vf) {
      devices.push(ofVf(vf, promiseOf(address), type, numaNodeOf(files, address)))
    } else {
      const other = await ofOther(host, address, promiseOf(address), type)
      if (other) {
        devices.push(other)
      }
    }
  }
  const netdevs = devices.flatMap(({ location }) => netdevsOf(files, location.address))
  return {
    devices,
    links: new Set([
      ...pfs.flatMap(({ link }) => (link ? [link.index] : [])),
      ...netdevs.flatMap((name) => interfaceIndexOf(files, name) ?? []),
    ]),
  }
}
