/** One resource as kubelet sees it: its devices now, and what it says when kubelet asks. */
import { pollUntil } from '../host/poll.js'
import type { Grant, Offer, OfferedDevice } from '../kubelet/offer.js'
import { claimTextOf } from '../state/claims.js'
import type { CallHost } from '../state/folder.js'
import { tryVfLock } from '../state/lock.js'
import { writePromise } from '../state/promises.js'
import type { Pool, PoolDevice } from './devices/pools.js'
import { preferred } from './devices/prefer.js'
import { writeCdiSpec } from './grant/cdi.js'
import { writeDeviceInfo } from './grant/device-info.js'
import { forgetDevice } from './grant/forget.js'
import { grantOf } from './grant/grant.js'

/** How long kubelet waits for a device that is on its way home. */
const COMING_HOME = { timeoutMs: 10_000, pauseMs: 200 }

export interface Resource {
  readonly offer: Offer
  pool(): Pool
  /** Takes what was found now. True when kubelet is to hear of it. */
  update(pool: Pool): boolean
}

const offered = ({ conf, devices }: Pool): readonly OfferedDevice[] =>
  devices.map(({ address, ailment, numaNode }) => ({
    id: address,
    isHealthy: ailment === undefined,
    ...(numaNode !== undefined && !conf.excludesTopology && { numaNode }),
  }))

/** `refresh` finds out how the pools are at this moment, and updates them. */
export function makeResource(first: Pool, openHost: () => CallHost, refresh: () => Promise<void>): Resource {
  let pool = first

  function sound(id: string): PoolDevice {
    const device = pool.devices.find(({ address }) => address === id)
    if (!device) {
      throw new Error(`${id} is no device of ${pool.conf.resource} any more`)
    }
    if (device.ailment !== undefined) {
      throw new Error(`${id} cannot be given now: ${device.ailment}`)
    }
    return device
  }

  /** The devices once all can be had. @throws Error saying which cannot, and why */
  async function soundDevices(host: CallHost, ids: readonly string[]): Promise<readonly PoolDevice[]> {
    let reason: unknown
    const devices = await pollUntil(host.clock, COMING_HOME, async () => {
      await refresh()
      try {
        return ids.map(sound)
      } catch (error) {
        reason = error
        // Only a device that comes home by itself is worth the wait.
        const isWorthIt = pool.devices.some(({ address, isComingHome }) => isComingHome && ids.includes(address))
        if (!isWorthIt) {
          throw error
        }
        return undefined
      }
    })
    if (!devices) {
      throw reason
    }
    return devices
  }

  /**
   * Makes sure that no ADD took a device while it was promised. An ADD looks for a promise under the lock of the VF, so
   * one that comes later meets it. @throws Error naming the device
   */
  async function requireNotTaken(host: CallHost, id: string, before: string | undefined): Promise<void> {
    using lock = await pollUntil(host.clock, COMING_HOME, () => tryVfLock(host, id))
    const now = claimTextOf(host.files, id)
    if (!lock || (now !== undefined && now !== before)) {
      throw new Error(`${id} cannot be given now: ${lock ? 'a pod has just got it' : 'a call is at work on it'}`)
    }
  }

  async function allocate(ids: readonly string[]): Promise<Grant> {
    const host = openHost()
    const { files, log, clock } = host
    const before = new Map(ids.map((id) => [id, claimTextOf(files, id)]))
    const devices = await soundDevices(host, ids)
    const { conf } = pool
    const grant = grantOf(files, conf, devices)
    const since = new Date(clock.dateMs()).toISOString()
    let answer: Grant
    try {
      for (const device of devices) {
        writePromise(files, device.address, { resource: conf.resource, since })
        writeDeviceInfo(files, conf, device)
      }
      for (const { address } of devices) {
        await requireNotTaken(host, address, before.get(address))
      }
      answer = conf.cdi ? writeCdiSpec(files, conf, devices, grant) : grant
    } catch (error) {
      for (const { address } of devices) {
        forgetDevice(files, conf.resource, address)
      }
      throw error
    }
    log.info('promised to a pod', { resource: conf.resource, devices: ids })
    return answer
  }

  return {
    pool: () => pool,
    update(next) {
      const [before, after] = [JSON.stringify(offered(pool)), JSON.stringify(offered(next))]
      pool = next
      return before !== after
    },
    offer: {
      resource: first.conf.resource,
      devices: () => offered(pool),
      prefer: (wish) => preferred(pool.devices, wish, pool.conf.allocation),
      allocate,
    },
  }
}
