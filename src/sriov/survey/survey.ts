/** Looks at every PF and VF of the node. Changes nothing and takes no lock. */
import { PluginError } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { ZERO_MAC } from '../../netlink/mac.js'
import { decodeVfInfoList, type VfInfo } from '../../netlink/vf-info.js'
import { kubeletDevices } from '../../node/kubelet.js'
import { processesByTarget } from '../../node/open-files.js'
import { deviceFilesOf, driverOverrideOf, isInUserspace } from '../../pci/driver.js'
import {
  allFunctions,
  baseClassOf,
  classOf,
  deviceExists,
  driverOf,
  isBoundByKernel,
  isPf,
  isSwitchdev,
  NETWORK_CLASS,
  type NumberedVf,
  netdevsOf,
  numaNodeOf,
  sriovCountOf,
  uplinkOf,
  vfsOf,
} from '../../pci/functions.js'
import { openRtnl, type Rtnl } from '../../rtnl/connection.js'
import { linkByName, pfWithVfs } from '../../rtnl/link.js'
import { recordOfClaim } from '../../state/attachments.js'
import { claimedVfs, hasClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { allAttachments } from '../../state/listing.js'
import { vfLockWorkers } from '../../state/lock.js'
import { readMark } from '../../state/marks.js'
import { promisedDevices, type VfPromise } from '../../state/promises.js'
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

export interface Survey {
  readonly pfs: readonly SurveyedPf[]
  readonly vfs: readonly SurveyedVf[]
  /** Attachments of devices that are no VF of these PFs: PFs as a whole, VFs whose PF is not visible. */
  readonly others: readonly AttachmentRecord[]
}

/** Faults that concern one VF only: its state files, the namespace of its pod. */
const OF_ONE_VF: ReadonlySet<string> = new Set(['state', 'netns'])

/** What is read once for all VFs. */
interface Common {
  readonly host: CallHost
  readonly rtnl: Rtnl
  readonly reserved: ReturnType<typeof kubeletDevices>
  readonly promises: ReadonlyMap<string, VfPromise>
  /** The VFs that a record names. */
  readonly recorded: ReadonlySet<string>
  /** The programs that have a device file open, by its path. */
  readonly programs: ReadonlyMap<string, readonly string[]>
}

async function surveyPf(files: FilePort, rtnl: Rtnl, address: string): Promise<SurveyedPf> {
  const name = uplinkOf(files, address)
  const numaNode = numaNodeOf(files, address)
  const found = name === undefined ? undefined : await linkByName(rtnl, name)
  const link = name !== undefined && found ? await pfWithVfs(rtnl, name) : undefined
  return {
    address,
    driver: driverOf(files, address) ?? '',
    isSwitchdev: name !== undefined && isSwitchdev(files, name),
    isGiven: hasClaim(files, address),
    total: sriovCountOf(files, address, 'sriov_totalvfs'),
    configured: sriovCountOf(files, address, 'sriov_numvfs'),
    ...(name !== undefined && { name }),
    ...(numaNode !== undefined && { numaNode }),
    ...(link && { link }),
  }
}

async function holderFacts({ host }: Common, record: AttachmentRecord): Promise<HolderFacts> {
  const tenancy = await tenancyOf(host, record)
  return {
    phase: record.phase,
    who: holderOf(record),
    ...(record.since !== undefined && { since: record.since }),
    tenancy,
    isOfThisBoot: isOfThisBoot(host, record),
    isRecordLost: recordOfClaim(host.state, record) === undefined,
    workers: tenancy === 'used' ? [] : vfLockWorkers(host.files, record.deviceId),
  }
}

async function surveyVf(common: Common, pf: SurveyedPf, { address, index }: NumberedVf, settings?: VfInfo) {
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

/** The device files of VFs in user space that are open, and by whom: one search of all processes. */
async function openDeviceFiles(
  host: CallHost,
  addresses: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { files } = host
  const paths = addresses.filter((one) => isInUserspace(files, one)).flatMap((one) => deviceFilesOf(files, one))
  return paths.length === 0 ? new Map() : processesByTarget(host, new Set(paths))
}

/** A VF of which the state folder does not tell: the others are surveyed all the same. */
function untoldVf(
  { host: { files } }: Common,
  pf: SurveyedPf,
  { address, index }: NumberedVf,
  problem: string,
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
    verdict: { state: 'broken', reason: 'untold', problem },
  }
}

/**
 * Surveys the PFs of the node, or those whose interface or address is `only`, and their VFs.
 * @throws PluginError kinds `kernel`, `state`, `netns`
 */
export async function survey(host: CallHost, only?: string): Promise<Survey> {
  const { files } = host
  using rtnl = openRtnl(host)
  const addresses = allFunctions(files).filter((address) => isPf(files, address))
  const pfs: SurveyedPf[] = []
  for (const address of addresses) {
    if (only === undefined || only === address || only === uplinkOf(files, address)) {
      pfs.push(await surveyPf(files, rtnl, address))
    }
  }
  const attachments = allAttachments(host.state)
  const listed = pfs.map((pf) => ({ pf, vfs: vfsOf(files, pf.address) }))
  const common: Common = {
    host,
    rtnl,
    reserved: kubeletDevices(files, host.policy.kubeletFolder),
    promises: promisedDevices(files),
    recorded: new Set([...attachments.map(({ deviceId }) => deviceId), ...claimedVfs(files)]),
    programs: await openDeviceFiles(
      host,
      listed.flatMap(({ vfs }) => vfs.map(({ address }) => address)),
    ),
  }
  const vfs: SurveyedVf[] = []
  for (const { pf, vfs: numbered } of listed) {
    const settings = new Map(
      (pf.link?.vfList ? decodeVfInfoList(pf.link.vfList) : []).map((info) => [info.index, info]),
    )
    for (const vf of numbered) {
      try {
        vfs.push(await surveyVf(common, pf, vf, settings.get(vf.index)))
      } catch (error) {
        if (!(error instanceof PluginError) || !OF_ONE_VF.has(error.fault.kind)) {
          throw error
        }
        vfs.push(untoldVf(common, pf, vf, error.message))
      }
    }
  }
  const shown = new Set(vfs.map(({ address }) => address))
  const others = attachments.filter(({ deviceId }) => deviceExists(files, deviceId) && !shown.has(deviceId))
  return { pfs, vfs, others: only === undefined ? others : [] }
}
