/** The device plugin: keeps the pools as the node is, and kubelet informed. */
import { messageOf } from '../errors.js'
import type { Offer } from '../kubelet/offer.js'
import type { CallHost } from '../state/folder.js'
import type { ResourceConf } from './conf/conf.js'
import { type ConfInForce, confInForce, type ReadConf } from './conf/conf-in-force.js'
import type { RdmaConf } from './conf/rdma-conf.js'
import { takeInventory } from './devices/inventory.js'
import { dealOut, type Pool } from './devices/pools.js'
import { endPromises } from './devices/promised.js'
import { keepCdiSpecs } from './grant/cdi.js'
import { makeSharedResource, type SharedRdma, type SharedResource, shareRdma } from './rdma.js'
import { type Registrar, type RegistrarPorts, startRegistrar, type Way } from './registrar.js'
import { makeResource, type Resource } from './resource.js'
import { makeRounds } from './rounds.js'
import { clashTeller, overlapTeller, tellAilments } from './telling.js'

/** While a call has the lock of a VF, the VF is not handed out. The end of a lock is no event of the kernel's. */
const AT_WORK_MS = 1_000

/** A configuration file. */
export interface ConfFile<Conf> {
  readonly path: string
  /** Undefined when there is none. @throws PluginError kind `state` */
  read(): ReadConf<Conf> | undefined
}

export interface ServicePorts extends RegistrarPorts {
  /** The machine, with the policy as it is now. */
  openHost(): CallHost
  readonly conf: ConfFile<ResourceConf>
  /** The resources whose pods share RDMA devices, if there are any. */
  readonly rdmaConf?: ConfFile<RdmaConf>
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
  /** What each resource offers now. */
  offers(): readonly Offer[]
  stop(): void
}

/** A resource that is offered, as it is found in each round. */
interface Served<Found> {
  readonly resource: { readonly offer: Offer; update(found: Found): boolean }
  readonly registrar: Registrar
}

/** Resources of one kind by their name. */
interface Kind<Found> {
  readonly served: Map<string, Served<Found>>
  nameOf(found: Found): string
  begin(found: Found): Served<Found>['resource']
}

/** Offers what is found now, tells kubelet what has changed, and ends what is not there any more. */
function take<Found>(ports: ServicePorts, { served, nameOf, begin }: Kind<Found>, found: readonly Found[]): void {
  const { log } = ports
  const names = new Set(found.map(nameOf))
  for (const [name, { registrar }] of served) {
    if (!names.has(name)) {
      log.info('the resource is not served any more', { resource: name })
      registrar.stop()
      served.delete(name)
    }
  }
  for (const one of found) {
    const name = nameOf(one)
    const known = served.get(name)
    if (!known) {
      const resource = begin(one)
      if (resource.offer.devices().length === 0) {
        log.warning('a resource has no device; sriovctl doctor says why', { resource: name })
      }
      served.set(name, { resource, registrar: startRegistrar(resource.offer, ports) })
    } else if (known.resource.update(one)) {
      known.registrar.push()
    }
  }
}

/** Those for which something holds, and the others. */
const halves = <T>(all: readonly T[], holds: (one: T) => boolean): readonly [readonly T[], readonly T[]] => [
  all.filter(holds),
  all.filter((one) => !holds(one)),
]

/** Starts at once. @throws nothing: what goes wrong is logged, and tried again when something changes */
export function startService(ports: ServicePorts): PoolService {
  const { log, openHost, after, conf, rdmaConf } = ports
  const confs: ConfInForce<ResourceConf> = confInForce(log, conf.path, conf.read)
  const rdmaConfs = rdmaConf && confInForce(log, rdmaConf.path, rdmaConf.read)
  const tellOverlaps = overlapTeller(log)
  const tellClashes = clashTeller(log)
  let links: ReadonlySet<number> = new Set()
  let isStopped = false
  const pools: Kind<Pool> = {
    served: new Map(),
    nameOf: (pool) => pool.conf.resource,
    begin(pool) {
      tellAilments(log, undefined, pool)
      const resource: Resource = makeResource(pool, openHost, rounds.refresh)
      return {
        offer: resource.offer,
        update(next) {
          tellAilments(log, resource.pool(), next)
          return resource.update(next)
        },
      }
    },
  }
  const shares: Kind<SharedRdma> = {
    served: new Map(),
    nameOf: (shared) => shared.conf.resource,
    begin: (shared): SharedResource => makeSharedResource(shared, openHost()),
  }
  const registrars = () =>
    [...pools.served, ...shares.served].map(([name, { registrar }]) => [name, registrar] as const)

  async function findPools(host: CallHost): Promise<readonly Pool[]> {
    const { devices, links: found } = await takeInventory(host)
    links = found
    const ended = endPromises(host, devices)
    const now = ended ? (await takeInventory(host)).devices : devices
    if (now.some(({ facts }) => facts.verdict?.reason === 'at-work')) {
      after(AT_WORK_MS, rounds.look)
    }
    const dealt = dealOut(host.files, confs.resources(), now)
    tellOverlaps(dealt.overlaps)
    try {
      for (const pool of dealt.pools) {
        keepCdiSpecs(host.files, pool)
      }
    } catch (error) {
      log.error(
        'a CDI specification cannot be written again: the pod that has the device does not start after a boot',
        { error: messageOf(error) },
      )
    }
    return dealt.pools
  }

  async function round(): Promise<void> {
    const host = openHost()
    const found = await findPools(host)
    if (!isStopped) {
      take(ports, pools, found)
      const names = new Set(found.map(pools.nameOf))
      const [clashing, shared] = halves(rdmaConfs?.resources() ?? [], ({ resource }) => names.has(resource))
      tellClashes(clashing.map(({ resource }) => resource))
      const pooled = new Set(found.flatMap(({ devices }) => devices.map(({ address }) => address)))
      take(
        ports,
        shares,
        shared.map((one) => shareRdma(host.files, one, pooled)),
      )
    }
  }

  const rounds = makeRounds(after, round, (error) =>
    log.error('the devices of this node cannot be looked at', { error: messageOf(error) }),
  )

  const reread = () => {
    confs.reread()
    rdmaConfs?.reread()
  }

  reread()
  return {
    begun: rounds.refresh().catch(() => undefined),
    look: rounds.look,
    linkChanged(interfaceIndex) {
      if (interfaceIndex === 0 || links.has(interfaceIndex)) {
        rounds.look()
      }
    },
    kubeletChanged() {
      for (const [, registrar] of registrars()) {
        registrar.look()
      }
    },
    confChanged() {
      reread()
      rounds.look()
    },
    offers: () => [...pools.served.values(), ...shares.served.values()].map(({ resource }) => resource.offer),
    known: () => new Map(registrars().map(([name, registrar]) => [name, registrar.known()])),
    stop() {
      isStopped = true
      for (const [, registrar] of registrars()) {
        registrar.stop()
      }
    },
  }
}
