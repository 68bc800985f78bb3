/**
 * What the random sequences have found, as short as it goes. Which effect of a call is harmed changes with the code, so
 * every one is tried.
 */
import { expect, test, vi } from 'vitest'
import { count } from '../../counts.js'
import type { Harm, Operation } from './operations.js'
import { run } from './run.js'

vi.setConfig({ testTimeout: 120_000 })

const upTo = (limit: number): number[] => Array.from({ length: limit }, (_, i) => i)
const KILLS: readonly Harm[] = upTo(22).flatMap((kill) => [
  { kill, when: 'before' },
  { kill, when: 'after' },
])
const FEW_KILLS = KILLS.slice(0, 14)
const REFUSALS: readonly Harm[] = upTo(60).map((refuse) => ({ refuse, errno: 'EIO', lasts: false, readsToo: true }))

const LASTING: readonly Harm[] = REFUSALS.map((harm) => ({ ...harm, lasts: true }))

const POD_0 = { pod: 0, ifName: 'net1' } as const
const POD_1 = { pod: 1, ifName: 'net1' } as const
/** VF 2 of the igb card: its PF administers the MAC that its interface has. */
const ADMINISTERED = 6

const add = (one: typeof POD_0 | typeof POD_1, vf: number, harm?: Harm): Operation => ({
  op: 'ADD',
  ...one,
  vf,
  conf: 2,
  harm,
})
const del = (one: typeof POD_0 | typeof POD_1, harm?: Harm): Operation => ({
  op: 'DEL',
  ...one,
  vf: 0,
  hasNetns: true,
  harm,
})

/** Every sequence that fails, with what it fails by. */
async function failures(sequences: readonly (readonly Operation[])[]): Promise<string[]> {
  const found: string[] = []
  for (const operations of sequences) {
    try {
      await run({ operations, end: 'DEL' })
    } catch (error) {
      found.push(`${operations.map((one) => JSON.stringify(one)).join(' ')}: ${(error as Error).message}`)
    }
  }
  count('random sequences', sequences.length)
  return found
}

test('ADD leaves a live pod its VF when something cannot be read', async () => {
  const again = [...REFUSALS, ...LASTING].map((harm) => [add(POD_0, 0), add(POD_0, 0, harm)])
  const other = [...REFUSALS, ...LASTING].map((harm) => [add(POD_0, 0), add(POD_1, 0, harm)])
  expect(await failures([...again, ...other])).toEqual([])
})

test('GC leaves live pods their VFs when something cannot be read', async () => {
  const gc = [...REFUSALS, ...LASTING].map((harm): Operation[] => [add(POD_0, 0), { op: 'GC', list: 'none', harm }])
  expect(await failures(gc)).toEqual([])
})

test('DEL leaves no claim of a killed ADD when the next ADD had another VF', async () => {
  expect(await failures(FEW_KILLS.map((harm) => [add(POD_0, 5, harm), add(POD_0, 0)]))).toEqual([])
})

test('the claim of a killed ADD does not cost the next ADD of that name its record and lease', async () => {
  const intruders: readonly Operation[] = [
    { op: 'GC', list: 'valid' },
    { op: 'GC', list: 'none' },
    { ...add(POD_1, 2) },
  ]
  const sequences = FEW_KILLS.flatMap((harm) =>
    intruders.map((intruder) => [add(POD_0, 2, harm), add(POD_0, 0), intruder, { op: 'CHECK', ...POD_0 } as const]),
  )
  expect(await failures(sequences)).toEqual([])
})

test('a VF half given back is nobody else’s until it is given back', async () => {
  const twice = KILLS.flatMap((first) =>
    FEW_KILLS.map((second) => [add(POD_0, 5), del(POD_0, first), del(POD_0, second), add(POD_1, 5)]),
  )
  expect(await failures(twice)).toEqual([])
})

test('DEL leaves the MAC alone that ADD did not touch, when the PF cannot be read', async () => {
  expect(await failures(REFUSALS.map((harm) => [add(POD_0, ADMINISTERED), del(POD_0, harm)]))).toEqual([])
})

test('DEL takes away the alternative name that a pod gave its interface', async () => {
  const tampering: Operation = { op: 'tamper', ...POD_0, what: 'altname', to: 'net2' }
  expect(await failures([[add(POD_0, 0), tampering]])).toEqual([])
})

test('DEL leaves nothing open when something cannot be read', async () => {
  expect(await failures(REFUSALS.map((harm) => [add(POD_0, 0), del(POD_0, harm)]))).toEqual([])
})
