/** Which devices of a pool a container had better get. Pure. */
import type { Wish } from '../../kubelet/offer.js'
import type { Allocation } from '../conf/conf-schema.js'
import type { PoolDevice } from './pools.js'

const byAddress = (left: PoolDevice, right: PoolDevice): number =>
  left.address < right.address ? -1 : left.address > right.address ? 1 : 0

/** How many of the devices each PF has. */
function countsByPf(devices: Iterable<PoolDevice>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { pf } of devices) {
    counts.set(pf, (counts.get(pf) ?? 0) + 1)
  }
  return counts
}

/** What a container has of each PF, what is left there, and how many devices it still wants. */
interface Need {
  readonly has: ReadonlyMap<string, number>
  readonly free: ReadonlyMap<string, number>
  readonly wanted: number
}

/**
 * Which PF comes first: for `spread` the one of which the container has fewest, then the one with most left; for `pack` the
 * one of which it has most, then the one that has just enough left.
 */
function comparePfs(rule: Allocation, { has, free, wanted }: Need, left: string, right: string): number {
  const [hasLeft, hasRight] = [has.get(left) ?? 0, has.get(right) ?? 0]
  const [freeLeft, freeRight] = [free.get(left) ?? 0, free.get(right) ?? 0]
  if (rule === 'spread') {
    return hasLeft - hasRight || freeRight - freeLeft
  }
  const [isEnoughLeft, isEnoughRight] = [freeLeft >= wanted, freeRight >= wanted]
  return (
    hasRight - hasLeft ||
    Number(isEnoughRight) - Number(isEnoughLeft) ||
    (isEnoughLeft ? freeLeft - freeRight : freeRight - freeLeft)
  )
}

const compare =
  (rule: Allocation | undefined, need: Need) =>
  (left: PoolDevice, right: PoolDevice): number =>
    Number(left.isLastChoice) - Number(right.isLastChoice) ||
    (rule === undefined ? 0 : comparePfs(rule, need, left.pf, right.pf)) ||
    byAddress(left, right)

/** The ids that a container had better get: the mandatory ones first, and never more than `size`. */
export function preferred(
  devices: readonly PoolDevice[],
  { available, mandatory, size }: Wish,
  rule: Allocation | undefined,
): readonly string[] {
  const known = new Map(devices.map((device) => [device.address, device]))
  const chosen = mandatory.flatMap((id) => known.get(id) ?? [])
  const left = new Set(available.flatMap((id) => known.get(id) ?? []).filter((device) => !chosen.includes(device)))
  while (chosen.length < size && left.size > 0) {
    const need = { has: countsByPf(chosen), free: countsByPf(left), wanted: size - chosen.length }
    const [best] = [...left].sort(compare(rule, need))
    if (!best) {
      break
    }
    chosen.push(best)
    left.delete(best)
  }
  return chosen.map(({ address }) => address)
}
