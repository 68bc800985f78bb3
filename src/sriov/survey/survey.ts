/** Looks at every PF and VF of the node. Changes nothing and takes no lock. */
import type { FilePort } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { decodeVfInfoList, type VfInfo } from '../../netlink/vf-info.js'
import { kubeletDevices } from '../../node/kubelet.js'
import { processesByTarget } from '../../node/open-files.js'
import { deviceFilesOf, isInUserspace } from '../../pci/driver.js'
import {
  allFunctions,
  deviceExists,
  driverOf,
  isPf,
  isSwitchdev,
  numaNodeOf,
  sriovCountOf,
  uplinkOf,
  vfsOf,
} from '../../pci/functions.js'
import { openRtnl, type Rtnl } from '../../rtnl/connection.js'
import { linkByName, pfWithVfs } from '../../rtnl/link.js'
import { claimedVfs, hasClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { allAttachments } from '../../state/listing.js'
import { vfLockWorkers } from '../../state/lock.js'
import { promisedDevices } from '../../state/promises.js'
import type { AttachmentRecord } from '../../state/record.js'
import { confirmDead } from './dead.js'
import { type Common, holderFacts, type SurveyedPf, type SurveyedVf, surveyVf, untold } from './survey-vf.js'
import { type Verdict, verdictOnHeld } from './vf-state.js'

/** A device with an attachment that is none of these VFs: a PF as a whole, or a VF whose PF is not visible. */
export interface SurveyedOther {
  readonly address: string
  /** "" for none. */
  readonly driver: string
  readonly record: AttachmentRecord
  readonly verdict: Verdict
}

export interface Survey {
  readonly pfs: readonly SurveyedPf[]
  readonly vfs: readonly SurveyedVf[]
  readonly others: readonly SurveyedOther[]
}

async function surveyPf(files: FilePort, rtnl: Rtnl, address: string, hasCounters: boolean): Promise<SurveyedPf> {
  const name = uplinkOf(files, address)
  const numaNode = numaNodeOf(files, address)
  const found = name === undefined ? undefined : await linkByName(rtnl, name)
  const link = name !== undefined && found ? await pfWithVfs(rtnl, name, hasCounters) : undefined
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

/** The settings of VFs in the link of their PF, by index. */
const settingsIn = (link: Link | undefined): ReadonlyMap<number, VfInfo> =>
  new Map((link?.vfList ? decodeVfInfoList(link.vfList) : []).map((info) => [info.index, info]))

/** Asks each PF once more. */
function settingsReader(rtnl: Rtnl): (pf: SurveyedPf) => Promise<ReadonlyMap<number, VfInfo>> {
  const asked = new Map<SurveyedPf, Promise<ReadonlyMap<number, VfInfo>>>()
  return (pf) => {
    const { name, link } = pf
    const known = asked.get(pf)
    const answer =
      known ??
      (name === undefined || !link ? Promise.resolve(settingsIn(link)) : pfWithVfs(rtnl, name).then(settingsIn))
    asked.set(pf, answer)
    return answer
  }
}

/** @throws PluginError kind `kernel` */
async function surveyOther(common: Common, record: AttachmentRecord): Promise<SurveyedOther> {
  const address = record.deviceId
  const driver = driverOf(common.host.files, address) ?? ''
  const verdict = await holderFacts(common, record).then(
    (facts) => verdictOnHeld(driver, facts),
    (error: unknown) => untold(error),
  )
  return { address, driver, record, verdict }
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

/**
 * Surveys the PFs of the node, or those whose interface or address is `only`, and their VFs. `hasCounters`: with what has
 * gone through the VFs, in the links of their PFs.
 * @throws PluginError kinds `kernel`, `state`, `netns`
 */
export async function survey(host: CallHost, only?: string, hasCounters = false): Promise<Survey> {
  const { files } = host
  using rtnl = openRtnl(host)
  const addresses = allFunctions(files).filter((address) => isPf(files, address))
  const pfs: SurveyedPf[] = []
  for (const address of addresses) {
    if (only === undefined || only === address || only === uplinkOf(files, address)) {
      pfs.push(await surveyPf(files, rtnl, address, hasCounters))
    }
  }
  const attachments = allAttachments(host.state)
  const listed = pfs.map((pf) => ({ pf, vfs: vfsOf(files, pf.address) }))
  const recorded = new Set([...attachments.map(({ deviceId }) => deviceId), ...claimedVfs(files)])
  const common: Common = {
    host,
    rtnl,
    reserved: kubeletDevices(files, host.policy.kubeletFolder),
    promises: promisedDevices(files),
    recorded,
    workersOn: vfLockWorkers(host, [...recorded]),
    programs: await openDeviceFiles(
      host,
      listed.flatMap(({ vfs }) => vfs.map(({ address }) => address)),
    ),
  }
  const seen: SurveyedVf[] = []
  for (const { pf, vfs } of listed) {
    const settings = settingsIn(pf.link)
    for (const vf of vfs) {
      seen.push(await surveyVf(common, pf, vf, settings.get(vf.index)))
    }
  }
  const readAgain = settingsReader(rtnl)
  const vfs = await confirmDead(common, seen, async (now, vf) =>
    surveyVf(now, vf.pf, vf, (await readAgain(vf.pf)).get(vf.index)),
  )
  const shown = new Set(vfs.map(({ address }) => address))
  const others: SurveyedOther[] = []
  for (const record of attachments) {
    const { deviceId } = record
    if (deviceExists(files, deviceId) && !shown.has(deviceId) && (only === undefined || only === deviceId)) {
      others.push(await surveyOther(common, record))
    }
  }
  return { pfs, vfs, others }
}
