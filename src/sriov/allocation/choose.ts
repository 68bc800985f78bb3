import type { DeviceChoice } from '../../cni/conf/device-choice.js'
import type { NetConf } from '../../cni/conf/netconf.js'
import { PluginError } from '../../errors.js'
import type { Lock } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { hasClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { tryVfLock, withVfLock } from '../../state/lock.js'
import { promisedDevices } from '../../state/promises.js'
import { type DeviceLocation, describeDevice, locateDevice, type VfLocation } from '../device/locate.js'
import { candidates, type OpenChoice, pfByName } from '../device/select.js'
import { programsOf } from '../users/function-users.js'
import { reclaimDevice, userOf } from './occupancy.js'
import { type Asked, hostUseAgainst, keptByRule, requirePermitted, ruleAgainst } from './permission.js'
import { hindranceOf, KUBELET, keyOf, reservedDevices, type Search, tryOrder, unfitness } from './search.js'

/** An error message names at most this many VFs. */
const MAX_NAMED = 8

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
    const occupant = (await reclaimDevice(host, location, lock)) ?? (await programsOf(host, location.address))
    if (occupant !== undefined) {
      throw inUse(location, occupant)
    }
    const seen = await requirePermitted(host, hostRtnl, asked)
    return use(location, lock, seen)
  })
}

/** `failure`: the VF looked free, and could not be attached; everything is as before. */
type Try<T> =
  | { readonly isDone: true; readonly result: T }
  | { readonly isDone: false; readonly why: string }
  | { readonly isDone: false; readonly failure: PluginError }

/** Of attaching: the next VF may have a driver that says yes. */
const OF_ITS_DRIVER: ReadonlySet<string> = new Set(['device', 'kernel'])

/** So many VFs are tried whose drivers say no. */
const MAX_FAILURES = 3

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
      (await programsOf(host, location.address)) ??
      (await useByHost()),
  )
  if (why !== undefined) {
    return { isDone: false, why }
  }
  try {
    return { isDone: true, result: await use(location, lock, seen) }
  } catch (error) {
    // With a claim that is left, the next call has something to undo.
    const isOver = error instanceof PluginError && OF_ITS_DRIVER.has(error.fault.kind)
    if (!isOver || hasClaim(host.files, location.address)) {
      throw error
    }
    host.log.warning('a free VF could not be attached', { device: location.address, error: error.message })
    return { isDone: false, failure: error }
  }
}

function noneFree(choice: OpenChoice, hindered: readonly string[]): PluginError {
  const more = hindered.length - MAX_NAMED
  const where = choice.by === 'pf' ? `${choice.key} ${choice.pfName}` : `selectors ${choice.text}`
  return new PluginError({
    kind: 'tryAgain',
    message: `no VF of ${where} is free; there are ${hindered.length}: ${hindered.slice(0, MAX_NAMED).join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
  })
}

/**
 * Takes the first VF that can be had. A call that loses the race for one VF tries the next, and so does one whose VF cannot be
 * attached: a broken VF must not keep everybody from the others of its PF.
 */
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
  const failures: PluginError[] = []
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
    if ('why' in tried) {
      hindered.push(`${describeDevice(location)}: ${tried.why}`)
    } else if (failures.push(tried.failure) === MAX_FAILURES) {
      break
    }
  }
  const [failure] = failures
  if (failure) {
    throw failure
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
