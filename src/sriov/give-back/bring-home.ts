/** Brings an interface out of the pod, then makes it what it was on the host. */
import { PluginError } from '../../errors.js'
import { pollUntil } from '../../host/poll.js'
import type { Link } from '../../netlink/link.js'
import { deviceExists, driverOf } from '../../pci/functions.js'
import { pciDeviceOf } from '../../rtnl/device.js'
import { changeLink, linkByName } from '../../rtnl/link.js'
import { netdevOnHost } from '../device/netdev-on-host.js'
import { dropAltNames } from '../netdev/alt-names.js'
import { detachXdp } from '../netdev/xdp.js'
import { openRecordedNetns, searchRecordedNetns } from '../users/pod-netns.js'
import { NETNS_CLEANUP } from '../users/tenancy.js'
import { isOldNameFree, moveOutOf, quieten } from './move-out.js'
import type { Release } from './releasing.js'

/**
 * Takes the interface down and gives it its old name and MTU. Returns undefined when no interface of the VF has this
 * name: somebody renamed it after sysfs was read.
 */
async function settleOnHost(release: Release, name: string): Promise<Link | undefined> {
  const { host, record, hostRtnl, target } = release
  const { original, driver, deviceId } = record
  const link = await linkByName(hostRtnl, name)
  if (!link || ((await pciDeviceOf(hostRtnl, link)) ?? deviceId) !== deviceId) {
    return undefined
  }
  await detachXdp({ rtnl: hostRtnl, log: host.log }, link, record, target)
  await quieten(hostRtnl, link, record, target)
  const { name: oldName } = original.netdev
  if (link.name !== oldName && (await isOldNameFree(release, link))) {
    const equal = link.altNames.filter((altName) => altName === oldName)
    await dropAltNames({ rtnl: hostRtnl, log: host.log }, link, equal, target)
    await changeLink(hostRtnl, link.index, { name: oldName }, { operation: `rename it to ${oldName}`, target, driver })
  }
  const { mtu } = original.netdev
  if (mtu !== undefined && link.mtu !== mtu) {
    await changeLink(hostRtnl, link.index, { mtu }, { operation: `set mtu ${mtu}`, target, driver })
  }
  return link
}

/** Explains why the interface of an existing VF cannot be found. */
function lostMessage({ host, record, target }: Release): string {
  const driver = driverOf(host.files, record.deviceId)
  if (driver !== record.driver && record.driver !== '') {
    return `${target} is bound to ${driver ?? 'no driver'}, not to ${record.driver}, so it has no network interface; bind it back`
  }
  return `the interface of ${target} (driver ${driver}) is neither on the host nor in ${record.netns.path}; does a process still hold a namespace that has it?`
}

async function moveHome(release: Release): Promise<string | undefined> {
  const { host, record, netnsPaths } = release
  const deadline = host.clock.nowMs() + NETNS_CLEANUP.timeoutMs
  for (let isFirst = true; ; isFirst = false) {
    if (!deviceExists(host.files, record.deviceId)) {
      host.log.warning('the VF does not exist any more; nothing to give back', { device: record.deviceId })
      return undefined
    }
    const isLast = host.clock.nowMs() >= deadline
    const name =
      netdevOnHost(release.host.files, release.record) ??
      (await moveOutOf(release, openRecordedNetns(host, record, netnsPaths))) ??
      // This search reads all of /proc: only the first and the last round do it.
      (isFirst || isLast ? await moveOutOf(release, searchRecordedNetns(host, record)) : undefined)
    if (name !== undefined) {
      return name
    }
    if (isLast) {
      throw new PluginError({ kind: 'device', message: lostMessage(release) })
    }
    await host.clock.sleep(NETNS_CLEANUP.pauseMs)
  }
}

/**
 * Moves the interface of a VF to the host, from whatever namespace has it. Returns its name on the host; undefined when
 * the device itself is gone.
 * @throws PluginError kinds `device`, `kernel`
 */
export const leavePod = (release: Release): Promise<string | undefined> =>
  release.host.phases.during('move', () => moveHome(release))

/**
 * Takes the interface down on the host and gives it its old name and MTU. `name` is its present name, which somebody on
 * the host may change meanwhile.
 * Returns undefined when the device itself has gone meanwhile.
 * @throws PluginError kinds `device`, `kernel`
 */
export async function settleAtHome(release: Release, name: string): Promise<Link | undefined> {
  let current: string | undefined = name
  const settled = await pollUntil(release.host.clock, NETNS_CLEANUP, async () => {
    const link = current === undefined ? undefined : await settleOnHost(release, current)
    current = netdevOnHost(release.host.files, release.record)
    return link
  })
  if (!settled && deviceExists(release.host.files, release.record.deviceId)) {
    throw new PluginError({ kind: 'device', message: lostMessage(release) })
  }
  return settled
}
