import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import type { Link } from '../netlink/link.js'
import { ZERO_MAC } from '../netlink/mac.js'
import { driverOf, uplinkOf } from '../pci/functions.js'
import { openRtnl } from '../rtnl/connection.js'
import { addAltNames, changeLink } from '../rtnl/link.js'
import type { AttachmentRecord } from '../state/record.js'
import { applyVfSteps, readVf, type VfTarget } from './apply.js'
import { bringHome, type Release } from './bring-home.js'
import { describeVf } from './locate.js'
import { mayNotSetMac, settleMac } from './mac.js'
import { bootIdOf } from './ownership.js'
import { planVfRestore, type VfStep } from './plan.js'

const macStep = (mac: string): VfStep => ({ operation: `set mac ${mac}`, change: { mac } })

/** The PF of a record as it is called now. @throws PluginError kind `device` when it has no interface on the host */
function pfNameOf({ host, record }: Release): string {
  const { pf } = record
  const name = uplinkOf(host.files, pf.address)
  if (name === undefined) {
    throw new PluginError({
      kind: 'device',
      message: `the PF ${pf.address} (${pf.name}) has no network interface on the host`,
    })
  }
  return name
}

async function readRecordedVf(
  release: Release,
): Promise<{ target: VfTarget; vf: Awaited<ReturnType<typeof readVf>>['vf'] }> {
  const { host, record, hostRtnl } = release
  const pfName = pfNameOf(release)
  const { pf, vf } = await readVf(hostRtnl, pfName, record.vfIndex)
  const driver = driverOf(host.files, record.pf.address) ?? 'none'
  return { target: { pfName, pfIndex: pf.index, vfIndex: record.vfIndex, driver }, vf }
}

/** Gives the PF's settings of the VF back. The MAC the PF was told goes first: while it stands the VF gets no other. */
async function restoreVf(release: Release): Promise<void> {
  const { releaseAdminMac, original } = release.record
  const { target, vf } = await readRecordedVf(release)
  const mac = releaseAdminMac === undefined || releaseAdminMac === vf.mac ? [] : [macStep(releaseAdminMac)]
  await applyVfSteps(release.hostRtnl, target, [...mac, ...planVfRestore(original.vf, vf)])
}

const setUp = ({ hostRtnl, record, target }: Release, link: Link, isUp: boolean): Promise<void> =>
  changeLink(
    hostRtnl,
    link.index,
    { isUp },
    { operation: isUp ? 'bring it up' : 'take it down', target, driver: record.driver },
  )

/** Up and down: the VF's driver resets it, takes a MAC from the PF, or tells the PF its own. */
async function resetByUp(release: Release, link: Link, whileUp: () => Promise<void>): Promise<void> {
  await setUp(release, link, true)
  await whileUp()
  await setUp(release, link, false)
}

/**
 * Gives the interface its own MAC back. A driver that lets only the PF set it takes the PF's at its next reset: that one
 * is as good, the VF would have had it since it came up.
 */
async function restoreOwnMac(release: Release, link: Link): Promise<void> {
  const { host, record, hostRtnl, target } = release
  const { mac } = record.original.netdev
  const { driver } = record
  if (link.mac === mac) {
    return
  }
  const macs = [mac, record.original.vf.mac] as const
  try {
    await changeLink(hostRtnl, link.index, { mac }, { operation: `set mac ${mac}`, target, driver })
  } catch (error) {
    if (!mayNotSetMac(error)) {
      throw error
    }
    await resetByUp(release, link, async () => {
      await settleMac(hostRtnl, host.clock, { index: link.index, macs, target, driver })
    })
  }
}

/** Makes the PF show the MAC it showed before: a PF like igb shows what the VF told it last. */
async function restoreShownMac(release: Release, link: Link): Promise<void> {
  const { original, releaseAdminMac } = release.record
  if (releaseAdminMac === undefined && original.vf.mac !== ZERO_MAC) {
    return
  }
  const { target, vf } = await readRecordedVf(release)
  if (vf.mac === original.vf.mac) {
    return
  }
  if (original.vf.mac !== ZERO_MAC) {
    await resetByUp(release, link, async () => undefined)
    if ((await readRecordedVf(release)).vf.mac === original.vf.mac) {
      return
    }
  }
  await applyVfSteps(release.hostRtnl, target, [macStep(original.vf.mac)])
}

/** Gives the interface its MAC, alternative names and its up or down back, after the PF's settings. */
async function restoreNetdev(release: Release, link: Link): Promise<void> {
  const { isUp, altNames } = release.record.original.netdev
  const missing = altNames.filter((name) => !link.altNames.includes(name))
  await addAltNames(release.hostRtnl, link.index, missing, release.target)
  await restoreOwnMac(release, link)
  await restoreShownMac(release, link)
  if (isUp) {
    await setUp(release, link, true)
  }
}

/**
 * Gives a VF back exactly as its record has it, whatever state it is in: on the host under any name, in the pod under
 * any name, half configured. What holds already is not written again, so it may be called any number of times.
 * @throws PluginError with the first thing that could not be given back
 */
export async function giveBackVf(host: Host, record: AttachmentRecord): Promise<void> {
  if (record.bootId !== bootIdOf(host)) {
    host.log.info('the machine has booted since: the kernel holds nothing of this attachment', {
      device: record.deviceId,
    })
    return
  }
  const hostRtnl = openRtnl(host)
  const release: Release = {
    host,
    record,
    hostRtnl,
    target: `${describeVf(record.vfIndex, record.pf.name)} (${record.deviceId})`,
  }
  const problems: unknown[] = []
  const collect = async (work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      problems.push(error)
    }
  }
  try {
    let link: Link | undefined
    await collect(async () => {
      link = await bringHome(release)
    })
    if (link || problems.length > 0) {
      await collect(() => restoreVf(release))
    }
    const home = link
    if (home) {
      await collect(() => restoreNetdev(release, home))
    }
  } finally {
    hostRtnl.close()
  }
  if (problems.length > 0) {
    throw new PluginError({ kind: 'release', target: release.target, problems: problems.map(messageOf) })
  }
}
