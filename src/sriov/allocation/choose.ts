import type { DeviceChoice } from '../../cni/conf/device-choice.js'
import type { NetConf } from '../../cni/conf/netconf.js'
import { messageOf, PluginError } from '../../errors.js'
import type { Lock } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { checkpointPath, devicesGiven, kubeletDevices } from '../../node/kubelet.js'
import { ruleText } from '../../policy/policy.js'
import type { Rtnl } from '../../rtnl/connection.js'
import type { CallHost } from '../../state/folder.js'
import { tryVfLock, withVfLock } from '../../state/lock.js'
import { promisedDevices } from '../../state/promises.js'
import { type DeviceLocation, describeDevice, locateDevice, presenceOf, type VfLocation } from '../device/locate.js'
import { candidates, type OpenChoice, pfByName } from '../device/select.js'
import { programsOf } from '../users/function-users.js'
import { looksFree, reclaimDevice, userOf } from './occupancy.js'
import { type Asked, hostUseAgainst, keptByRule, requirePermitted, ruleAgainst } from './permission.js'

/** An error message names at most this many VFs. */
const MAX_NAMED = 8

/** Names the holder of VFs that a device plugin hands out. Only deviceID may name such a VF. */
export const KUBELET = "kubelet's device plugin"

/**
 * What to do with the chosen device. Runs while the device's lock is held. `seen` is its interface, where it was looked at
 * under that lock.
 */
export type UseDevice<T> = (location: DeviceLocation, lock: Lock, seen: Link | undefined) => Promise<T>

/** The edges of this machine for a call that chooses a device, and its conversation in the host's namespace. */
export interface Chooser {
  readonly host: CallHost
  readonly hostRtnl: Rtnl
}

const inUse = (location: DeviceLocation, holder: string): PluginError =>
  new PluginError({ kind: 'vfInUse', target: describeDevice(location), holder })

async function withNamedDevice<T>({ host, hostRtnl }: Chooser, asked: Asked, use: UseDevice<T>): Promise<T> {
  const { location } = asked
  return withVfLock(host, location.address, async (lock) => {
    const occupant = (await reclaimDevice(host, location, lock)) ?? programsOf(host.files, location.address)
    if (occupant !== undefined) {
      throw inUse(location, occupant)
    }
    const seen = await requirePermitted(host, hostRtnl, asked)
    return use(location, lock, seen)
  })
}

type Try<T> = { readonly isDone: true; readonly result: T } | { readonly isDone: false; readonly why: string }

/** Faults that concern one VF only. The search goes on with the others. */
const OF_ONE_VF: ReadonlySet<string> = new Set(['device', 'release', 'netns', 'state', 'tryAgain'])

/**
 * Why `look` says that a VF cannot be had. A fault that concerns this VF only is a reason, too; any other is thrown.
 */
export async function hindranceOf(look: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof PluginError && OF_ONE_VF.has(error.fault.kind)) {
      return error.message
    }
    throw error
  }
}

/** A choice that can match more than one VF, with its configuration. */
interface Search {
  readonly host: CallHost
  readonly conf: NetConf
  readonly choice: OpenChoice
}

/**
 * Why a VF cannot serve this pod, regardless of who uses it. Undefined when it can. A VF on a user space driver does
 * not serve a pod that wants an interface, unless the selectors name its driver.
 */
export function unfitness({ host: { files }, conf, choice }: Search, location: VfLocation): string | undefined {
  try {
    const { driver, netdev } = presenceOf(files, location, conf.dpdk)
    const isNamed = choice.by === 'selectors' && choice.selectors.drivers?.includes(driver) === true
    return netdev || conf.dpdk || isNamed
      ? undefined
      : `it is bound to ${driver}, which dpdk or selectors.drivers would have to name`
  } catch (error) {
    return messageOf(error)
  }
}

async function tryVf<T>(search: Search, hostRtnl: Rtnl, location: VfLocation, use: UseDevice<T>): Promise<Try<T>> {
  const { host } = search
  const user = await hindranceOf(() => userOf(host, location.address))
  if (user !== undefined) {
    return { isDone: false, why: user }
  }
  using lock = tryVfLock(host, location.address)
  if (!lock) {
    return { isDone: false, why: 'a call that is at work on it' }
  }
  let seen: Link | undefined
  const useByHost = async () => {
    const { use, link } = await hostUseAgainst(host, hostRtnl, location)
    seen = link
    return use
  }
  // Look again under the lock: another call, or kubelet, may have taken the VF meanwhile.
  const why = await hindranceOf(
    async () =>
      (promisedDevices(host.files).has(location.address) ? KUBELET : undefined) ??
      (await reclaimDevice(host, location, lock)) ??
      unfitness(search, location) ??
      programsOf(host.files, location.address) ??
      (await useByHost()),
  )
  return why === undefined ? { isDone: true, result: await use(location, lock, seen) } : { isDone: false, why }
}

export const keyOf = (choice: OpenChoice): string => (choice.by === 'pf' ? choice.key : choice.by)

/**
 * The devices that a device plugin hands out, by kubelet's word or by the plugin's own.
 * @throws PluginError kind `tryAgain` when nobody can tell: kubelet's own must not be taken
 */
export function reservedDevices({ files, policy }: CallHost): ReadonlySet<string> {
  const { kubeletFolder } = policy
  const reserved = kubeletDevices(files, kubeletFolder)
  if (reserved === 'unknown') {
    throw new PluginError({
      kind: 'tryAgain',
      message: `kubelet's checkpoint ${checkpointPath(kubeletFolder)} cannot be understood, so no VF is chosen: it may be kubelet's. Name the VF by deviceID; ${ruleText(policy, 'kubeletFolder', kubeletFolder)}`,
    })
  }
  const given = devicesGiven(files, kubeletFolder)
  return new Set([...reserved, ...(typeof given === 'string' ? [] : given.keys()), ...promisedDevices(files).keys()])
}

function noneFree(choice: OpenChoice, hindered: readonly string[]): PluginError {
  const more = hindered.length - MAX_NAMED
  const where = choice.by === 'pf' ? `${choice.key} ${choice.pfName}` : `selectors ${choice.text}`
  return new PluginError({
    kind: 'tryAgain',
    message: `no VF of ${where} is free; there are ${hindered.length}: ${hindered.slice(0, MAX_NAMED).join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
  })
}

/** The VFs that a search can mean, in the order in which they are tried. @throws PluginError kind `device` */
export function tryOrder(search: Search, reserved: ReadonlySet<string>): readonly VfLocation[] {
  const { host, conf, choice } = search
  return candidates(host.files, choice, {
    isFree: (vf) => !reserved.has(vf.address) && looksFree(host, vf.address) && unfitness(search, vf) === undefined,
    ...(conf.numaNode !== undefined && { numaNode: conf.numaNode }),
  })
}

/** Takes the first VF that can be had. A call that loses the race for one VF tries the next. */
async function withFreeVf<T>(
  { host, hostRtnl }: Chooser,
  conf: NetConf,
  choice: OpenChoice,
  use: UseDevice<T>,
): Promise<T> {
  const reserved = reservedDevices(host)
  const search = { host, conf, choice }
  const vfs = tryOrder(search, reserved)
  const rules = vfs.map((location) => ruleAgainst(host, { location, key: keyOf(choice) }))
  if (rules.every((rule) => rule !== undefined)) {
    // Another try would not help.
    const problem = `none of its ${vfs.length} VFs is for this call: ${rules[0]}`
    throw new PluginError({ kind: 'policy', refusals: [{ key: keyOf(choice), problem }] })
  }
  const hindered: string[] = []
  for (const [i, location] of vfs.entries()) {
    const rule = rules[i]
    const tried: Try<T> =
      rule !== undefined
        ? { isDone: false, why: keptByRule(rule) }
        : reserved.has(location.address)
          ? { isDone: false, why: KUBELET }
          : await tryVf(search, hostRtnl, location, use)
    if (tried.isDone) {
      return tried.result
    }
    hindered.push(`${describeDevice(location)}: ${tried.why}`)
  }
  throw noneFree(choice, hindered)
}

/**
 * Runs `use` with the device that a configuration means. Its lock is held, nobody else uses it, and what dead pods and
 * calls left of it has been undone.
 * @throws PluginError kinds `device`, `vfInUse`, `release`; kind `tryAgain` when no VF is free
 */
export async function withDevice<T>(
  chooser: Chooser,
  conf: NetConf,
  choice: DeviceChoice,
  use: UseDevice<T>,
): Promise<T> {
  const { host } = chooser
  const { files } = host
  switch (choice.by) {
    case 'address':
      return withNamedDevice(chooser, { location: locateDevice(files, choice.address), key: 'deviceID' }, use)
    case 'wholePf': {
      const { address } = pfByName(files, choice.key, choice.pfName)
      return withNamedDevice(chooser, { location: { address }, key: choice.key, pfName: choice.pfName }, use)
    }
    case 'pf': {
      const [only] = choice.vfIndex === undefined ? [] : candidates(files, choice, { isFree: () => true })
      if (only && reservedDevices(host).has(only.address)) {
        throw inUse(only, KUBELET)
      }
      return only
        ? withNamedDevice(chooser, { location: only, key: choice.key }, use)
        : withFreeVf(chooser, conf, choice, use)
    }
    case 'selectors':
      return withFreeVf(chooser, conf, choice, use)
  }
}
