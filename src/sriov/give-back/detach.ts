import { errnoOf } from '../../errors.js'
import type { Host } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { isMac } from '../../netlink/mac.js'
import type { PciAddress } from '../../pci/address.js'
import { isInUserspace } from '../../pci/driver.js'
import { deviceExists, driverOf } from '../../pci/functions.js'
import { addAltNames, linkByIndex } from '../../rtnl/link.js'
import { netdevOnHost } from '../device/netdev-on-host.js'
import { restoreRepresentor } from '../device/representor.js'
import { dropAltNames } from '../netdev/alt-names.js'
import { restoreHostConfig } from '../netdev/host-config.js'
import { applyVfSteps } from '../pf/apply.js'
import { planVfRestore } from '../pf/plan.js'
import { programsOf } from '../users/function-users.js'
import { bindBack } from './bind-back.js'
import { leavePod, settleAtHome } from './bring-home.js'
import { bringRdmaHome, renameRdma } from './rdma.js'
import { pfWriter, type RecordedVf, type Release, readRecordedVf, setLinkUp } from './releasing.js'
import { restoreMac, restoreMacAlone, restoreOtherAddress, restorePfMacAlone } from './restore-mac.js'
import { recordOfSecond } from './second-netdev.js'

/** Restores what the PF holds for the VF, except the MAC. */
const restorePfSettings = (release: Release, { target, vf, original }: RecordedVf): Promise<void> =>
  applyVfSteps(pfWriter(release), target, planVfRestore(original, vf))

/**
 * Restores the alternative names of the interface and removes those that the pod added. A name that another interface
 * has taken, or that the kernel does not remove, is logged and is no error.
 */
async function restoreAltNames({ host, hostRtnl, record, target }: Release, link: Link): Promise<void> {
  const { altNames } = record.original.netdev
  if (!altNames || (altNames.length === 0 && link.altNames.length === 0)) {
    return
  }
  const present = (await linkByIndex(hostRtnl, link.index)) ?? link
  const added = present.altNames.filter((one) => !altNames.includes(one))
  await dropAltNames({ rtnl: hostRtnl, log: host.log }, link, added, target)
  for (const name of altNames) {
    if (name !== present.name && !present.altNames.includes(name)) {
      try {
        await addAltNames(hostRtnl, link.index, [name], target)
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') {
          throw error
        }
        host.log.warning('an alternative name is taken by now', { device: record.deviceId, name })
      }
    }
  }
}

/** Restores the MAC of the interface, then whether it is up, then what the host had set on it. The PF's settings must be restored before. */
async function restoreNetdev(release: Release, link: Link, found: RecordedVf | undefined): Promise<void> {
  if (!isMac(link.mac)) {
    await restoreOtherAddress(release, link)
  } else {
    await (found ? restoreMac(release, link, found) : restoreMacAlone(release, link))
  }
  const { isUp, hostConfig } = release.record.original.netdev
  if (isUp) {
    await setLinkUp(release, link, true)
  }
  if (hostConfig) {
    await restoreHostConfig({ rtnl: release.hostRtnl, log: release.host.log }, link, hostConfig)
  }
}

/** Does one part of a release and keeps its error, so that the other parts go on. */
export type Collect = (work: () => Promise<void>) => Promise<void>

/** The VF after phase one. */
export interface Departed {
  /** Whether the pod can use it no more: neither its interface nor the device. Where false, the collected errors say why. */
  readonly hasLeft: boolean
  /** Whether it has its own driver again. */
  readonly isBound: boolean
  /** The name of its interface on the host; absent when the VF had none, or none came. */
  readonly name?: string
}

/** The release of the second interface alone; undefined unless the VF has two (ConnectX-3). */
function releaseOfSecond(release: Release): Release | undefined {
  const record = recordOfSecond(release.record)
  return record && { ...release, record }
}

/** Whether a device has neither a driver of the kernel, whose interface a pod may have, nor a program in user space. */
const isNobodys = async (host: Host, address: PciAddress): Promise<boolean> =>
  (driverOf(host.files, address) === undefined || isInUserspace(host.files, address)) &&
  (await programsOf(host, address)) === undefined

/**
 * Phase one: gives the VF its driver back, then takes its interfaces out of the pod. The second interface goes first:
 * it may have the old name of the other by now.
 */
export async function departVf(release: Release, collect: Collect): Promise<Departed> {
  const { host, record } = release
  const second = releaseOfSecond(release)
  const isDone = async (work: () => Promise<unknown>): Promise<boolean> => {
    let isOver = false
    await collect(async () => {
      await work()
      isOver = true
    })
    return isOver
  }
  const isBound = await isDone(() => bindBack(release))
  // Also from a VF without a driver: it has no such device any more, which is no error.
  const isRdmaHome = await isDone(() => bringRdmaHome(release))
  if (!isBound || record.original.netdev.name === '') {
    return { isBound, hasLeft: isRdmaHome && (isBound || (await isNobodys(host, record.deviceId))) }
  }
  if (second) {
    // Phase two tries again and reports the error.
    await leavePod(second).catch(() => undefined)
  }
  let name: string | undefined
  const isHome = await isDone(async () => {
    name = await leavePod(release)
  })
  return { isBound, hasLeft: isRdmaHome && isHome, ...(name !== undefined && { name }) }
}

/** Restores the second interface. The first must be home before: it may have had the name of the second. */
async function restoreSecond(second: Release): Promise<void> {
  const name = await leavePod(second)
  if (name !== undefined) {
    const link = await settleAtHome(second, name)
    if (link) {
      await restoreNetdev(second, link, undefined)
      await restoreAltNames(second, link)
    }
  }
}

/**
 * Phase two, on the host: restores name and MTU of the interface, then the PF's settings and the representor, then MAC
 * and alternative names, which depend on both. Writes only what differs, so it may run any number of times.
 */
export async function restoreVf(release: Release, { isBound, name }: Departed, collect: Collect): Promise<void> {
  const { host, hostRtnl, record } = release
  const { representor } = record
  const collectNetdev: Collect = (work) => collect(() => host.phases.during('netdev', work))
  const second = isBound ? releaseOfSecond(release) : undefined
  let link: Link | undefined
  const nameOfSecond = second && netdevOnHost(host.files, second.record)
  if (second && nameOfSecond !== undefined) {
    // Out of the way of the first, whose old name it may have. An error shows below.
    await settleAtHome(second, nameOfSecond).catch(() => undefined)
  }
  if (name !== undefined) {
    await collectNetdev(async () => {
      link = await settleAtHome(release, name)
    })
  }
  if (second) {
    await collectNetdev(() => restoreSecond(second))
  }
  await collect(() => renameRdma(release))
  const home = link
  let recorded: RecordedVf | undefined
  // When nobody knows who has the VF, it keeps its VLAN: it may be in use.
  const isThere = home || (isBound && record.original.netdev.name === '' && deviceExists(host.files, record.deviceId))
  if (record.pf && isThere) {
    await collect(async () => {
      recorded = await readRecordedVf(release)
    })
  }
  if (representor && isThere) {
    await collect(async () => restoreRepresentor(host.files, hostRtnl, representor, await release.locate()))
  }
  const found = recorded
  if (found) {
    await collect(() => restorePfSettings(release, found))
  }
  if (found && !home) {
    await collect(() => restorePfMacAlone(release, found))
  }
  if (home) {
    // Without an answer of the PF the MAC is left to the next DEL.
    if (found || !record.pf) {
      await collectNetdev(() => restoreNetdev(release, home, found))
    }
    await collectNetdev(() => restoreAltNames(release, home))
  }
}
