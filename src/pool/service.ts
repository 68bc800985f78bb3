/** The device plugin: keeps the pools as the node is, and kubelet informed. */
import { messageOf } from '../errors.js'
import type { CallHost } from '../state/folder.js'
import type { PoolConf, ResourceConf } from './conf.js'
import { takeInventory } from './inventory.js'
import { dealOut, type Overlap, type Pool } from './pools.js'
import { endPromises } from './promised.js'
import { type Registrar, type RegistrarPorts, startRegistrar, type Way } from './registrar.js'
import { makeResource, type Resource } from './resource.js'

/** Events come in bursts: a VF that appears makes a dozen. */
const SETTLE_MS = 100
/** Between two looks, so that a storm of pods leaves the processor to the pods. */
const GAP_MS = 400

export interface ServicePorts extends RegistrarPorts {
  /** The machine, with the policy as it is now. */
  openHost(): CallHost
  /** The configuration file; undefined when there is none. @throws PluginError kind `state` */
  readConf(): PoolConf | undefined
}

export interface PoolService {
  /** Resolves when the node was looked at for the first time. */
  readonly begun: Promise<void>
  /** Something changed: a device, its use, what kubelet has written. */
  look(): void
  /** An interface changed, or its addresses: 0 when it may be any. */
  linkChanged(interfaceIndex: number): void
  kubeletChanged(): void
  confChanged(): void
  /** By which way kubelet knows each resource. */
  known(): ReadonlyMap<string, Way | undefined>
  stop(): void
}

interface Served {
  readonly resource: Resource
  readonly registrar: Registrar
}

/** Starts at once. @throws nothing: what goes wrong is logged, and tried again when something changes */
export function startService(ports: ServicePorts): PoolService {
  const { log, openHost, after } = ports
  let confs: readonly ResourceConf[] | undefined
  let links: ReadonlySet<number> = new Set()
  const served = new Map<string, Served>()
  let isStopped = false
  let overlapsTold = ''

  function tellConf({ issues, ignored }: PoolConf): void {
    for (const { key, problem } of issues) {
      log.error('the configuration is wrong', { key, problem })
    }
    if (ignored.length > 0) {
      log.warning('keys of the configuration are not known, and change nothing', { keys: ignored })
    }
  }

  /** A wrong file changes nothing, except at the start: then what is right of it is served. */
  function readConf(): void {
    try {
      const read = ports.readConf()
      if (read === undefined) {
        log.error('there is no configuration file', {})
      } else {
        tellConf(read)
      }
      if (confs === undefined || read?.issues.length === 0) {
        confs = read?.resources ?? confs
        log.info('configuration in force', { resources: confs?.map(({ resource }) => resource) ?? [] })
      } else {
        log.error('the configuration of before stays in force', {})
      }
    } catch (error) {
      log.error('the configuration cannot be read', { error: messageOf(error) })
    }
  }

  function tellOverlaps(overlaps: readonly Overlap[]): void {
    const text = JSON.stringify(overlaps)
    if (text !== overlapsTold && overlaps.length > 0) {
      const pairs = new Map(overlaps.map(({ has, wants }) => [`${has} ${wants}`, { has, wants }]))
      for (const { has, wants } of pairs.values()) {
        const devices = overlaps.filter((one) => one.has === has && one.wants === wants).map(({ address }) => address)
        log.warning('two resources want the same devices; the first has them', { has, wants, devices })
      }
    }
    overlapsTold = text
  }

  function tellAilments(before: Pool, now: Pool): void {
    const old = new Map(before.devices.map(({ address, ailment }) => [address, ailment]))
    for (const { address, ailment } of now.devices) {
      if (ailment !== old.get(address)) {
        log[ailment === undefined ? 'info' : 'warning'](
          ailment === undefined ? 'a device can be handed out again' : 'a device is not handed out',
          { device: address, resource: now.conf.resource, ...(ailment !== undefined && { why: ailment }) },
        )
      }
    }
  }

  async function findPools(): Promise<readonly Pool[]> {
    const host = openHost()
    const { devices, links: found } = await takeInventory(host)
    links = found
    const ended = endPromises(host, devices)
    const { pools, overlaps } = dealOut(host.files, confs ?? [], ended ? (await takeInventory(host)).devices : devices)
    tellOverlaps(overlaps)
    return pools
  }

  function serve(pool: Pool): void {
    const { resource: name } = pool.conf
    const resource = makeResource(pool, openHost, refresh)
    tellAilments({ ...pool, devices: [] }, pool)
    if (pool.devices.length === 0) {
      log.warning('a resource has no device; sriovctl doctor says why', { resource: name })
    }
    served.set(name, { resource, registrar: startRegistrar(resource.offer, ports) })
  }

  function take(pools: readonly Pool[]): void {
    for (const [name, { registrar }] of served) {
      if (!pools.some(({ conf }) => conf.resource === name)) {
        log.info('the resource is not served any more', { resource: name })
        registrar.stop()
        served.delete(name)
      }
    }
    for (const pool of pools) {
      const known = served.get(pool.conf.resource)
      if (!known) {
        serve(pool)
        continue
      }
      tellAilments(known.resource.pool(), pool)
      if (known.resource.update(pool)) {
        known.registrar.push()
      }
    }
  }

  async function lookNow(): Promise<void> {
    try {
      const pools = await findPools()
      if (!isStopped) {
        take(pools)
      }
    } catch (error) {
      log.error('the devices of this node cannot be looked at', { error: messageOf(error) })
    }
  }

  let last: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined

  /** Resolves after a look at the node that begins from now on. */
  function refresh(): Promise<void> {
    if (!next) {
      next = last.then(() => {
        next = undefined
        return lookNow()
      })
      last = next
    }
    return next
  }

  let isWaiting = false
  let isEarly = false

  function look(): void {
    if (isWaiting || isStopped) {
      return
    }
    isWaiting = true
    after(isEarly ? GAP_MS : SETTLE_MS, () => {
      isWaiting = false
      isEarly = true
      after(GAP_MS, () => {
        isEarly = false
      })
      void refresh()
    })
  }

  readConf()
  return {
    begun: refresh(),
    look,
    linkChanged(interfaceIndex) {
      if (interfaceIndex === 0 || links.has(interfaceIndex)) {
        look()
      }
    },
    kubeletChanged() {
      for (const { registrar } of served.values()) {
        registrar.look()
      }
    },
    confChanged() {
      readConf()
      look()
    },
    known: () => new Map([...served].map(([name, { registrar }]) => [name, registrar.known()])),
    stop() {
      isStopped = true
      for (const { registrar } of served.values()) {
        registrar.stop()
      }
    },
  }
}
