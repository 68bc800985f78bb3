import type { DeviceChoice } from '../../cni/device-choice.js'
import type { NetConf } from '../../cni/netconf.js'
import { messageOf, PluginError } from '../../errors.js'
import type { Lock } from '../../host/ports.js'
import { kubeletDevices } from '../../node/kubelet.js'
import type { HostWithState } from '../../state/folder.js'
import { tryVfLock, withVfLock } from '../../state/lock.js'
import { type DeviceLocation, describeDevice, locateDevice, presenceOf, type VfLocation } from '../device/locate.js'
import { candidates, type OpenChoice, pfByName } from '../device/select.js'
import { programsOf } from '../users/function-users.js'
import { looksFree, reclaimDevice, userOf } from './occupancy.js'

/** As many VFs are named in an error message as an operator reads. */
const MAX_NAMED = 8

/** Who has the VFs that are handed out by a device plugin: only deviceID names one of them. */
const KUBELET = "kubelet's device plugin"

/** What is done with the device that was found, while its lock is held. */
export type UseDevice<T> = (location: DeviceLocation, lock: Lock) => Promise<T>

const inUse = (location: DeviceLocation, holder: string): PluginError =>
  new PluginError({ kind: 'vfInUse', target: describeDevice(location), holder })

async function withNamedDevice<T>(host: HostWithState, location: DeviceLocation, use: UseDevice<T>): Promise<T> {
  return withVfLock(host, location.address, async (lock) => {
    const occupant = (await reclaimDevice(host, location, lock)) ?? programsOf(host.files, location.address)
    if (occupant !== undefined) {
      throw inUse(location, occupant)
    }
    return use(location, lock)
  })
}

/** What became of a try: done with it, or why not. */
type Try<T> = { readonly isDone: true; readonly result: T } | { readonly isDone: false; readonly why: string }

/** Faults that say something about one VF only: the others are tried all the same. */
const OF_ONE_VF: ReadonlySet<string> = new Set(['device', 'release', 'netns', 'state', 'tryAgain'])

/** Why a VF cannot be had; undefined when it can, after `look` has undone what the dead left of it. */
async function hindranceOf(look: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof PluginError && OF_ONE_VF.has(error.fault.kind)) {
      return error.message
    }
    throw error
  }
}

/** A choice that leaves more than one VF, and the configuration around it. */
interface Search {
  readonly host: HostWithState
  readonly conf: NetConf
  readonly choice: OpenChoice
}

/**
 * Why a VF cannot serve this pod, whoever uses it; undefined when it can. One that a program in user space is to have
 * is no use to a pod that wants an interface, unless the selectors name its driver.
 */
function unfitness({ host: { files }, conf, choice }: Search, location: VfLocation): string | undefined {
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

async function tryVf<T>(search: Search, location: VfLocation, use: UseDevice<T>): Promise<Try<T>> {
  const { host } = search
  const user = await hindranceOf(() => userOf(host, location.address))
  if (user !== undefined) {
    return { isDone: false, why: user }
  }
  const lock = tryVfLock(host, location.address)
  if (!lock) {
    return { isDone: false, why: 'a call that is at work on it' }
  }
  try {
    // Another call may have had it since.
    const why = await hindranceOf(
      async () =>
        (await reclaimDevice(host, location, lock)) ??
        unfitness(search, location) ??
        programsOf(host.files, location.address),
    )
    return why === undefined ? { isDone: true, result: await use(location, lock) } : { isDone: false, why }
  } finally {
    lock.release()
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

/** Takes the first VF that can be had; whoever loses a race for one takes the next. */
async function withFreeVf<T>(host: HostWithState, conf: NetConf, choice: OpenChoice, use: UseDevice<T>): Promise<T> {
  const { numaNode } = conf
  const reserved = kubeletDevices(host.files)
  const search = { host, conf, choice }
  const vfs = candidates(host.files, choice, {
    isFree: (vf) => !reserved.has(vf.address) && looksFree(host, vf.address) && unfitness(search, vf) === undefined,
    ...(numaNode !== undefined && { numaNode }),
  })
  const hindered: string[] = []
  for (const location of vfs) {
    const tried: Try<T> = reserved.has(location.address)
      ? { isDone: false, why: KUBELET }
      : await tryVf(search, location, use)
    if (tried.isDone) {
      return tried.result
    }
    hindered.push(`${describeDevice(location)}: ${tried.why}`)
  }
  throw noneFree(choice, hindered)
}

/**
 * Does something with the device that a configuration means, while its lock is held and nobody else uses it. What the
 * dead left of it has been undone.
 * @throws PluginError kinds `device`, `vfInUse`, `release`; kind `tryAgain` when no VF is free
 */
export async function withDevice<T>(
  host: HostWithState,
  conf: NetConf,
  choice: DeviceChoice,
  use: UseDevice<T>,
): Promise<T> {
  const { files } = host
  switch (choice.by) {
    case 'address':
      return withNamedDevice(host, locateDevice(files, choice.address), use)
    case 'wholePf': {
      const { address } = pfByName(files, choice.key, choice.pfName)
      return withNamedDevice(host, { address }, use)
    }
    case 'pf': {
      const [only] = choice.vfIndex === undefined ? [] : candidates(files, choice, { isFree: () => true })
      if (only && kubeletDevices(files).has(only.address)) {
        throw inUse(only, KUBELET)
      }
      return only ? withNamedDevice(host, only, use) : withFreeVf(host, conf, choice, use)
    }
    case 'selectors':
      return withFreeVf(host, conf, choice, use)
  }
}
