/** What is known of one VF. Changes nothing and takes no lock. */
import { PluginError } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { ZERO_MAC } from '../../netlink/mac.js'
import type { VfInfo } from '../../netlink/vf-info.js'
import type { kubeletDevices } from '../../node/kubelet.js'
import { deviceFilesOf, driverOverrideOf, isInUserspace } from '../../pci/driver.js'
import {
  baseClassOf,
  classOf,
  driverOf,
  isBoundByKernel,
  NETWORK_CLASS,
  type NumberedVf,
  netdevsOf,
} from '../../pci/functions.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { linkByName } from '../../rtnl/link.js'
import { recordOfClaim } from '../../state/attachments.js'
import { hasClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import type { FindWorkers } from '../../state/lock.js'
import { readMark } from '../../state/marks.js'
import type { VfPromise } from '../../state/promises.js'
import type { AttachmentRecord } from '../../state/record.js'
import type { DeviceLocation } from '../device/locate.js'
import { hostUseOf } from '../users/host-use.js'
import { holderOf, holdersOfVf, isOfThisBoot } from '../users/ownership.js'
import { isPodNetns } from '../users/pod-netns.js'
import { tenancyOf } from '../users/tenancy.js'
import { type HolderFacts, type Verdict, type VfFacts, verdictOn } from './vf-state.js'

/** A PF with what the kernel says of it. `link` is absent when it has no interface on the host. */
export interface SurveyedPf {
  readonly address: string
  readonly name?: string
  readonly driver: string
  readonly link?: Link
  readonly numaNode?: number
  readonly isSwitchdev: boolean
  /** Whether it was given to a pod as a whole (pfOnly): its interface is then not on the host. */
  readonly isGiven: boolean
  /** How many VFs the card can have, and how many it was told to have (sriov_totalvfs, sriov_numvfs). */
  readonly total: number
  readonly configured: number
}

export interface SurveyedVf {
  readonly address: string
  readonly index: number
  readonly pf: SurveyedPf
  readonly facts: VfFacts
  /** The MAC that the PF administers, or else that of the interface on the host. */
  readonly mac?: string
  readonly settings?: VfInfo
  readonly record?: AttachmentRecord
  /** What the device plugin has promised it for. */
  readonly promise?: VfPromise
  readonly verdict: Verdict
}

/** Faults that concern one VF only: its state files, the namespace of its pod. */
const OF_ONE_VF: ReadonlySet<string> = new Set(['state', 'netns'])

/** What is read once for all VFs. */
export interface Common {
  readonly host: CallHost
  readonly rtnl: Rtnl
  readonly reserved: ReturnType<typeof kubeletDevices>
  readonly promises: ReadonlyMap<string, VfPromise>
  /** The VFs that a record names. */
  readonly recorded: ReadonlySet<string>
  /** The programs that have a device file open, by its path. */
  readonly programs: ReadonlyMap<string, readonly string[]>
  readonly workersOn: FindWorkers
}

export async function holderFacts(
  { host, workersOn }: Pick<Common, 'host' | 'workersOn'>,
  record: AttachmentRecord,
): Promise<HolderFacts> {
  const tenancy = await tenancyOf(host, record)
  return {
    phase: record.phase,
    who: holderOf(record),
    ...(record.since !== undefined && { since: record.since }),
    tenancy,
    isOfThisBoot: isOfThisBoot(host, record),
    isRecordLost: recordOfClaim(host.state, record) === undefined,
    workers: tenancy === 'used' ? [] : await workersOn(record.deviceId),
  }
}

async function lookAt(
  common: Common,
  pf: SurveyedPf,
  { address, index }: NumberedVf,
  settings?: VfInfo,
): Promise<SurveyedVf> {
  const { host, reserved, recorded, promises, programs } = common
  const { files } = host
  const mark = readMark(files, address)
  const isKnown = mark !== undefined || recorded.has(address) || hasClaim(files, address)
  const [record] = isKnown ? holdersOfVf(host, address, mark) : []
  const isUserspace = isInUserspace(files, address)
  const [netdev] = netdevsOf(files, address)
  const promise = promises.get(address)
  const driver = driverOf(files, address) ?? ''
  const pciClass = classOf(files, address)
  const location: DeviceLocation = {
    address,
    vf: { index, pf: { address: pf.address, name: pf.name ?? '', driver: pf.driver } },
  }
  const hostUse = record || netdev === undefined ? undefined : await hostUseOf(host, location)
  const facts: VfFacts = {
    driver,
    isInUserspace: isUserspace,
    isOfNetwork: pciClass === undefined || baseClassOf(pciClass) === NETWORK_CLASS,
    ...(netdev !== undefined && { interface: netdev }),
    ...(record && { holder: await holderFacts(common, record) }),
    ...(mark !== undefined && { mark: { path: mark, isOfLivePod: isPodNetns(host, mark) } }),
    programs: isUserspace ? deviceFilesOf(files, address).flatMap((path) => programs.get(path) ?? []) : [],
    isReserved: promise !== undefined || (reserved !== 'unknown' && reserved.has(address)),
    ...(hostUse !== undefined && { hostUse }),
    isPfAsked: pf.link !== undefined,
    ...(settings && { vlan: settings.vlan }),
    driverOverride: driverOverrideOf(files, address),
    isBoundByKernel: isBoundByKernel(files, pf.address),
  }
  const shownMac = settings && settings.mac !== ZERO_MAC ? settings.mac : undefined
  const mac = shownMac ?? (netdev === undefined ? undefined : (await linkByName(common.rtnl, netdev))?.mac)
  const surveyed: SurveyedVf = {
    address,
    index,
    pf,
    facts,
    verdict: verdictOn(facts),
    ...(mac !== undefined && { mac }),
    ...(settings && { settings }),
    ...(record && { record }),
    ...(promise && { promise }),
  }
  return surveyed
}

/** The verdict on a device of which the state folder does not tell: the others are surveyed all the same. @throws `error` */
export function untold(error: unknown): Verdict {
  if (!(error instanceof PluginError) || !OF_ONE_VF.has(error.fault.kind)) {
    throw error
  }
  return { state: 'broken', reason: 'untold', problem: error.message }
}

function untoldVf(
  { host: { files } }: Common,
  pf: SurveyedPf,
  { address, index }: NumberedVf,
  verdict: Verdict,
): SurveyedVf {
  const [netdev] = netdevsOf(files, address)
  return {
    address,
    index,
    pf,
    facts: {
      driver: driverOf(files, address) ?? '',
      isInUserspace: isInUserspace(files, address),
      isOfNetwork: true,
      programs: [],
      isReserved: false,
      isPfAsked: pf.link !== undefined,
      driverOverride: driverOverrideOf(files, address),
      isBoundByKernel: isBoundByKernel(files, pf.address),
      ...(netdev !== undefined && { interface: netdev }),
    },
    verdict,
  }
}

/** @throws PluginError kind `kernel` */
export async function surveyVf(common: Common, pf: SurveyedPf, vf: NumberedVf, settings?: VfInfo): Promise<SurveyedVf> {
  try {
    return await lookAt(common, pf, vf, settings)
  } catch (error) {
    return untoldVf(common, pf, vf, untold(error))
  }
}
