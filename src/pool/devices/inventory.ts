/** Every device that a resource could have, with what decides about it. Changes nothing and takes no lock. */
import { devicesGiven, devicesOfGonePods } from '../../node/kubelet.js'
import { isInUserspace } from '../../pci/driver.js'
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
import { survey } from '../../sriov/survey/survey.js'
import type { SurveyedVf } from '../../sriov/survey/survey-vf.js'
import type { Verdict } from '../../sriov/survey/vf-state.js'
import { usersOfFunction } from '../../sriov/users/function-users.js'
import { carriesDefaultRoute, hostUseOf } from '../../sriov/users/host-use.js'
import { readClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { isYoungPromise, promisedDevices, type VfPromise } from '../../state/promises.js'
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
  /** The resource as which a pod has it, or is to have it: by kubelet's checkpoint, or by our own note. */
  readonly givenAs?: string
  readonly facts: Omit<HealthFacts, 'isWithoutCarrier'>
}

export interface Inventory {
  readonly devices: readonly InventoryDevice[]
  /** The indexes of the interfaces of all PFs and devices: their carrier and their addresses matter. */
  readonly links: ReadonlySet<number>
}

/** What is known of who was to get a device. */
interface Gift {
  readonly givenAs?: string
  /** Whether kubelet counts it as a pod's now, or was given it a moment ago and has not written it down yet. */
  readonly isPromised: boolean
  readonly isOfGonePod: boolean
}

/** Who was to get each device, by kubelet's checkpoint and by our own notes. */
function giftsOf({ files, policy, clock }: CallHost): (address: string) => Gift {
  const promises = promisedDevices(files)
  const given = devicesGiven(files, policy.kubeletFolder)
  const ofGonePods = devicesOfGonePods(files, policy.kubeletFolder)
  return (address) => {
    const promise: VfPromise | undefined = promises.get(address)
    const byKubelet = typeof given === 'string' ? undefined : given.get(address)
    const givenAs = promise && promise.resource !== '' ? promise.resource : byKubelet || undefined
    const isYoung = promise !== undefined && isYoungPromise(promise, clock.dateMs())
    return {
      isPromised: byKubelet !== undefined || isYoung || (given === 'unknown' && promise !== undefined),
      isOfGonePod: ofGonePods.has(address) && !isYoung,
      ...(givenAs !== undefined && { givenAs }),
    }
  }
}

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

function ofVf(vf: SurveyedVf, gift: Gift, type: DeviceType, numaNode?: number): InventoryDevice {
  const { address, pf, facts, record, verdict } = vf
  return {
    location: { address, vf: locationOf(vf) },
    type,
    // A pod may have bound it to another driver, which its DEL undoes.
    ownDriver: record && record.driver !== '' ? record.driver : facts.driver,
    isWithoutCarrier: pf.link?.hasCarrier === false,
    facts: {
      verdict,
      isPromised: gift.isPromised,
      isOfGonePod: gift.isOfGonePod,
      isBeingGivenBack: isBeingGivenBack(vf),
      isPfGiven: pf.isGiven,
      hasDriver: true,
    },
    ...(numaNode !== undefined && { numaNode }),
    ...(gift.givenAs !== undefined && { givenAs: gift.givenAs }),
  }
}

/** A function whose PF is not visible, or that is no VF; undefined for one that is never offered. */
async function ofOther(
  host: CallHost,
  address: string,
  gift: Gift,
  type: DeviceType,
): Promise<InventoryDevice | undefined> {
  const { files } = host
  const location: DeviceLocation = { address }
  // A PF with VFs is theirs; one without is of use only to a program in user space.
  if (isPf(files, address) && (sriovCountOf(files, address, 'sriov_numvfs') > 0 || !isInUserspace(files, address))) {
    return undefined
  }
  if (await carriesDefaultRoute(host, location)) {
    return undefined
  }
  const numaNode = numaNodeOf(files, address)
  const hostUse = await hostUseOf(host, location)
  const ownDriver = driverOf(files, address) ?? ''
  const record = readClaim(files, address)
  const programs = await usersOfFunction(host, address)
  const verdict: Verdict | undefined = record
    ? { state: 'in-use' }
    : programs.length > 0
      ? { state: 'foreign', problem: `${programs.join(' and ')} has it open` }
      : undefined
  return {
    location,
    type,
    ownDriver,
    isWithoutCarrier: false,
    facts: {
      isPromised: gift.isPromised,
      isOfGonePod: gift.isOfGonePod,
      ...(verdict && { verdict }),
      isBeingGivenBack: record?.phase === 'releasing',
      isPfGiven: false,
      hasDriver: ownDriver !== '',
      ...(hostUse !== undefined && { hostUse }),
    },
    ...(numaNode !== undefined && { numaNode }),
    ...(gift.givenAs !== undefined && { givenAs: gift.givenAs }),
  }
}

/** @throws PluginError kinds `kernel`, `state`, `netns` */
export async function takeInventory(host: CallHost): Promise<Inventory> {
  const { files } = host
  const { pfs, vfs } = await survey(host)
  const giftOf = giftsOf(host)
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
      devices.push(ofVf(vf, giftOf(address), type, numaNodeOf(files, address)))
    } else {
      const other = await ofOther(host, address, giftOf(address), type)
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
