/** Deals the devices of the node out to the resources: each goes to the first that wants it. */
import type { FilePort } from '../../host/ports.js'
import { type MeansPf, matches } from '../../sriov/device/match.js'
import type { Choice, ResourceConf } from '../conf/conf.js'
import { ailmentOf, isLastChoice } from './health.js'
import type { InventoryDevice } from './inventory.js'

/** A device in a pool. */
export interface PoolDevice {
  readonly address: string
  /** "" for a function that has none. */
  readonly pf: string
  readonly choice: Choice
  readonly numaNode?: number
  /** Why it is not to be handed out. */
  readonly ailment?: string
  /** Whether it will be sound by itself: a DEL is at work on it. */
  readonly isComingHome: boolean
  readonly isLastChoice: boolean
  /** Whether a pod has it from this resource, or is to have it. */
  readonly isGiven: boolean
}

export interface Pool {
  readonly conf: ResourceConf
  readonly devices: readonly PoolDevice[]
}

/** A device that more than one resource wants. */
export interface Overlap {
  readonly address: string
  readonly has: string
  readonly wants: string
}

/** The devices of overlaps by the two resources. */
export function overlapsByPair(
  overlaps: readonly Overlap[],
): readonly (Omit<Overlap, 'address'> & { readonly devices: readonly string[] })[] {
  const pairs = new Map<string, { has: string; wants: string; devices: string[] }>()
  for (const { address, has, wants } of overlaps) {
    const pair = pairs.get(`${has} ${wants}`) ?? { has, wants, devices: [] }
    pair.devices.push(address)
    pairs.set(`${has} ${wants}`, pair)
  }
  return [...pairs.values()]
}

export interface Dealt {
  readonly pools: readonly Pool[]
  readonly overlaps: readonly Overlap[]
}

/** What marks a name of a PF as a pattern: no interface of Linux has these by habit. */
const PATTERN = /[\\^$.*+?()[\]{}|]/

/**
 * As the device plugin reads `pfNames`: the name of a PF, or else a regular expression. The name of a PF that this node
 * has is no pattern, so that eth1 is not eth10, too.
 */
export function meansPfAmong(names: ReadonlySet<string>): MeansPf {
  const patterns = new Map<string, RegExp | undefined>()
  const patternOf = (entry: string): RegExp | undefined => {
    if (!patterns.has(entry)) {
      // conf.ts has refused what is no regular expression.
      patterns.set(entry, names.has(entry) || !PATTERN.test(entry) ? undefined : new RegExp(entry))
    }
    return patterns.get(entry)
  }
  return (entry, pfName) => entry === pfName || (pfName !== '' && patternOf(entry)?.test(pfName) === true)
}

/** What a resource has of a device: the choice that means it; undefined for none. */
function choiceOf(
  files: FilePort,
  { deviceType, choices }: ResourceConf,
  device: InventoryDevice,
  meansPf: MeansPf,
): Choice | undefined {
  return device.type === deviceType
    ? choices.find(({ selectors }) => matches(files, selectors, device, meansPf))
    : undefined
}

function poolDevice(device: InventoryDevice, choice: Choice, conf: ResourceConf): PoolDevice {
  const { location, numaNode, facts, givenAs } = device
  // kubelet counts by resource: it would hand the device out a second time under another name.
  const isAnothers = facts.isPromised && givenAs !== undefined && givenAs !== conf.resource
  const ailment = isAnothers
    ? `a pod has it as ${givenAs}`
    : ailmentOf({ ...facts, isWithoutCarrier: conf.healthFromCarrier && device.isWithoutCarrier })
  return {
    address: location.address,
    pf: location.vf?.pf.address ?? '',
    choice,
    isComingHome: facts.isBeingGivenBack && facts.verdict?.reason === 'at-work',
    isLastChoice: isLastChoice(facts),
    isGiven: givenAs === conf.resource,
    ...(numaNode !== undefined && { numaNode }),
    ...(ailment !== undefined && { ailment }),
  }
}

/**
 * A device that was promised stays with its resource while the promise lasts: in a pod it may look different, without its
 * interface or with another driver.
 */
export function dealOut(files: FilePort, confs: readonly ResourceConf[], devices: readonly InventoryDevice[]): Dealt {
  const meansPf = meansPfAmong(new Set(devices.flatMap(({ location }) => location.vf?.pf.name ?? [])))
  const dealt = new Map<ResourceConf, PoolDevice[]>(confs.map((conf) => [conf, []]))
  const overlaps: Overlap[] = []
  for (const device of devices) {
    const wanting = confs.flatMap((conf) => {
      const choice = choiceOf(files, conf, device, meansPf)
      return choice ? [{ conf, choice }] : []
    })
    const keeper = confs.find(({ resource }) => resource === device.givenAs)
    const [keeperChoice] = keeper?.choices ?? []
    const first =
      keeper && keeperChoice
        ? (wanting.find(({ conf }) => conf === keeper) ?? { conf: keeper, choice: keeperChoice })
        : wanting[0]
    if (first) {
      dealt.get(first.conf)?.push(poolDevice(device, first.choice, first.conf))
      const others = wanting.filter(({ conf }) => conf !== first.conf)
      overlaps.push(
        ...others.map(({ conf }) => ({
          address: device.location.address,
          has: first.conf.resource,
          wants: conf.resource,
        })),
      )
    }
  }
  return { pools: confs.map((conf) => ({ conf, devices: dealt.get(conf) ?? [] })), overlaps }
}
