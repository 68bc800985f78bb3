import { describe, expect, test } from 'vitest'
import { count } from '../counts.js'
import { type Answer, call, codeOf, messageOf, netConf } from '../fakes/call.js'
import {
  type Choice,
  type Effect,
  everyLook,
  everyRequest,
  recordEffects,
  refuseAt,
} from '../fakes/machine/interference.js'
import { snapshot } from '../fakes/machine/snapshot.js'
import type { FakeWorld } from '../fakes/machine/world.js'
import { SCENARIOS, type Scenario } from '../fakes/scenarios.js'

type Verb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS'

/** What is refused, and with which errors: the kernel has many, a file that cannot be read has one. */
const KINDS: readonly { readonly choice: Choice; readonly errnos: readonly string[] }[] = [
  { choice: everyRequest, errnos: ['EIO', 'EEXIST', 'EADDRNOTAVAIL', 'EBUSY', 'ENODEV'] },
  { choice: everyLook, errnos: ['EIO'] },
]

const confOf = ({ conf }: Scenario, verb: Verb): object =>
  netConf({ ...conf, ...(verb === 'GC' && { 'cni.dev/valid-attachments': [] }) })

async function prepared({ make, conf }: Scenario, verb: Verb): Promise<FakeWorld> {
  const world = make()
  if (verb !== 'ADD') {
    await call(world, 'ADD', netConf(conf))
  }
  return world
}

async function effectsOf(scenario: Scenario, verb: Verb, choice: Choice): Promise<Effect[]> {
  const effects: Effect[] = []
  const interfere = recordEffects(choice, effects)
  await call(await prepared(scenario, verb), verb, confOf(scenario, verb), { interfere })
  return effects
}

interface Case {
  readonly at: number
  readonly what: string
  readonly errno: string
  readonly choice: Choice
}

/** An answer that says how the world is, and would be a lie: another interface has the name. */
const isLie = ({ conf }: Scenario, what: string, errno: string): boolean =>
  'dpdk' in conf && errno === 'EEXIST' && what.startsWith('RTM_NEWLINKPROP')

async function casesOf(scenario: Scenario, verb: Verb): Promise<Case[]> {
  const cases: Case[] = []
  for (const { choice, errnos } of KINDS) {
    const effects = await effectsOf(scenario, verb, choice)
    const all = effects.flatMap(({ what }, at) => errnos.map((errno) => ({ at, what, errno, choice })))
    cases.push(...all.filter(({ what, errno }) => !isLie(scenario, what, errno)))
  }
  return cases
}

const VERBS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] as const

const MATRIX = await Promise.all(
  SCENARIOS.flatMap((scenario) =>
    VERBS.map(async (verb) => ({ scenario, verb, name: scenario.name, cases: await casesOf(scenario, verb) })),
  ),
)
const of = (...verbs: Verb[]) => MATRIX.filter(({ verb }) => verbs.includes(verb))

function expectClear(answer: Answer): void {
  if (answer.exitCode !== 0) {
    expect(codeOf(answer)).not.toBe(999)
    expect(messageOf(answer)).toMatch(/E[A-Z]{2,}|neither|gone|missing|does not|not as it was|IPAM|locked|there is no/)
  }
}

async function expectAllBack(world: FakeWorld, conf: object, before: object): Promise<void> {
  expect(world.openDescriptors).toBe(0)
  expect(world.locks.size).toBe(0)
  expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
  expect(snapshot(world)).toEqual(before)
}

describe.each(of('ADD'))('ADD with $name and one refusal', ({ scenario, cases }) => {
  test.each(cases)('$at $what, $errno: succeeds or is undone', async ({ at, errno, choice }) => {
    count('injected faults')
    const world = scenario.make()
    const before = snapshot(world)
    const conf = netConf(scenario.conf)
    const answer = await call(world, 'ADD', conf, { interfere: refuseAt(choice, at, errno) })
    expectClear(answer)
    if (answer.exitCode === 0) {
      expect(codeOf(await call(world, 'CHECK', conf))).toBeUndefined()
      expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
    }
    expect(snapshot(world)).toEqual(before)
  })
})

describe.each(of('DEL', 'CHECK', 'GC', 'STATUS'))('$verb with $name and one refusal', ({ scenario, verb, cases }) => {
  test.each(cases)('$at $what, $errno: a DEL brings all back', async ({ at, errno, choice }) => {
    count('injected faults')
    const before = snapshot(scenario.make())
    const world = await prepared(scenario, verb)
    const answer = await call(world, verb, confOf(scenario, verb), { interfere: refuseAt(choice, at, errno) })
    expectClear(answer)
    if (answer.exitCode === 0 && verb === 'DEL') {
      expect(snapshot(world)).toEqual(before)
    }
    await expectAllBack(world, netConf(scenario.conf), before)
  })
})

describe.each(MATRIX)('$verb with $name and refusals without end', ({ scenario, verb, cases }) => {
  const starts = cases.filter(({ errno }) => errno === 'EIO')

  test.each(starts)('from $at $what on: a later DEL brings all back', async ({ at, choice }) => {
    count('injected faults')
    const before = snapshot(scenario.make())
    const world = await prepared(scenario, verb)
    const interfere = refuseAt(choice, at, 'EIO', Number.POSITIVE_INFINITY)
    expectClear(await call(world, verb, confOf(scenario, verb), { interfere }))
    await expectAllBack(world, netConf(scenario.conf), before)
  })
})

describe.each(MATRIX)('$verb with $name and one thing that never works', ({ scenario, verb, cases }) => {
  const things = [...new Set(cases.map(({ what }) => what))]

  test.each(things)('%s: a later DEL brings all back', async (thing) => {
    count('injected faults')
    const before = snapshot(scenario.make())
    const world = await prepared(scenario, verb)
    const interfere = refuseAt(({ what }) => what === thing, 0, 'EIO', Number.POSITIVE_INFINITY)
    expectClear(await call(world, verb, confOf(scenario, verb), { interfere }))
    await expectAllBack(world, netConf(scenario.conf), before)
  })
})
