import { describe, expect, test } from 'vitest'
import { count } from '../counts.js'
import { call, codeOf, netConf } from '../fakes/call.js'
import { type Effect, everyChange, killAt, recordEffects } from '../fakes/machine/interference.js'
import { POD_A, POD_B } from '../fakes/machine/machine.js'
import { snapshot } from '../fakes/machine/snapshot.js'
import type { FakeWorld } from '../fakes/machine/world.js'
import { SCENARIOS, type Scenario } from '../fakes/scenarios.js'

const EVERYTHING_IS_GARBAGE = { 'cni.dev/valid-attachments': [] }

async function effectsOf({ make, conf }: Scenario, verb: 'ADD' | 'DEL' | 'GC'): Promise<Effect[]> {
  const effects: Effect[] = []
  const world = make()
  if (verb !== 'ADD') {
    await call(world, 'ADD', netConf(conf))
  }
  await call(world, verb, netConf({ ...conf, ...EVERYTHING_IS_GARBAGE }), {
    interfere: recordEffects(everyChange, effects),
  })
  return effects
}

/** A kill after one effect is a kill before the next. */
const momentsOf = (effects: readonly Effect[]) =>
  effects.flatMap(({ what }, at) => [
    ...(at === 0 ? [{ at, what, when: 'before' as const }] : []),
    { at, what, when: 'after' as const },
  ])

/** Folders that were made and a lease of a call that died do no harm; what counts is what DEL is asked for. */
async function killAddAt({ make, conf }: Scenario, at: number, when: 'before' | 'after') {
  count('kill points')
  const world = make()
  const before = snapshot(world)
  await call(world, 'ADD', netConf(conf), { interfere: killAt(everyChange, at, when) })
  return { world, before }
}

async function addAndDel(world: FakeWorld, conf: object) {
  const options = { containerId: 'pod-b', netns: POD_B }
  expect(codeOf(await call(world, 'ADD', netConf(conf), options))).toBeUndefined()
  expect(codeOf(await call(world, 'DEL', netConf(conf), options))).toBeUndefined()
}

const CASES = await Promise.all(
  SCENARIOS.map(async (scenario) => ({
    scenario,
    name: scenario.name,
    add: momentsOf(await effectsOf(scenario, 'ADD')),
    del: momentsOf(await effectsOf(scenario, 'DEL')),
    gc: momentsOf(await effectsOf(scenario, 'GC')),
  })),
)

describe.each(CASES)('ADD with $name, killed', ({ scenario, add }) => {
  const { conf } = scenario

  test.each(add)('$when $at $what: the same ADD, said to be a repetition, is through', async ({ at, when }) => {
    const { world, before } = await killAddAt(scenario, at, when)
    const again = { environment: { SRIOV_CNI_AGAIN: '1' } }
    expect(codeOf(await call(world, 'ADD', netConf(conf), again))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', netConf(conf)))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(add)('$when $at $what: DEL brings all back', async ({ at, when }) => {
    const { world, before } = await killAddAt(scenario, at, when)
    expect(codeOf(await call(world, 'DEL', netConf(conf)))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(add.slice(0, -1))('$when $at $what: ADD of another pod works', async ({ at, when }) => {
    const { world, before } = await killAddAt(scenario, at, when)
    await addAndDel(world, conf)
    await call(world, 'DEL', netConf(conf))
    expect(snapshot(world)).toEqual(before)
  })

  test.each(add)('$when $at $what: DEL brings all back when the pod has died', async ({ at, when }) => {
    const { world } = await killAddAt(scenario, at, when)
    world.removeNetns(POD_A, 20)
    await world.clock.sleep(20)
    expect(codeOf(await call(world, 'DEL', netConf(conf), { netns: '' }))).toBeUndefined()
    const untouched = scenario.make()
    untouched.removeNetns(POD_A)
    expect(snapshot(world)).toEqual(snapshot(untouched))
  })
})

/** The effect of a release that writes down that it has begun. */
const NOTED_AT = 0

/** An attachment whose release was killed. */
async function killReleaseAt(verb: 'DEL' | 'GC', { make, conf }: Scenario, at: number, when: 'before' | 'after') {
  count('kill points')
  const world = make()
  const before = snapshot(world)
  await call(world, 'ADD', netConf(conf))
  const interfere = killAt(everyChange, at, when)
  await call(world, verb, netConf({ ...conf, ...EVERYTHING_IS_GARBAGE }), { interfere })
  return { world, before }
}

describe.each(CASES)('a release with $name, killed', ({ scenario, del, gc }) => {
  const { conf } = scenario
  const moments = [
    ...del.map((moment) => ({ verb: 'DEL' as const, ...moment })),
    ...gc.map((moment) => ({ verb: 'GC' as const, ...moment })),
  ]

  test.each(moments)('$verb $when $at $what: the next DEL goes on', async ({ verb, at, when }) => {
    const { world, before } = await killReleaseAt(verb, scenario, at, when)
    expect(codeOf(await call(world, 'DEL', netConf(conf)))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(moments)('$verb $when $at $what: GC finishes it', async ({ verb, at, when }) => {
    const { world, before } = await killReleaseAt(verb, scenario, at, when)
    const answer = await call(world, 'GC', netConf({ ...conf, ...EVERYTHING_IS_GARBAGE }))
    expect(codeOf(answer)).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  // Before that was written down the pod still has the VF: that the release was called for nobody can know.
  test.each(moments.filter(({ at, when }) => at > NOTED_AT || (at === NOTED_AT && when === 'after')))(
    '$verb $when $at $what: ADD of another pod works while the first is alive',
    async ({ verb, at, when }) => {
      const { world, before } = await killReleaseAt(verb, scenario, at, when)
      await addAndDel(world, conf)
      await call(world, 'DEL', netConf(conf))
      expect(snapshot(world)).toEqual(before)
    },
  )
})

describe.each(CASES)('ADD with $name, killed and collected', ({ scenario: { conf, ...scenario }, add }) => {
  test.each(add)('$when $at $what: GC undoes it, valid or not', async ({ at, when }) => {
    const { world, before } = await killAddAt({ ...scenario, conf }, at, when)
    const isThrough = at === add.length - 2 && when === 'after'
    const valid = isThrough ? [] : [{ containerID: 'pod-a', ifname: 'net1' }]
    const answer = await call(world, 'GC', netConf({ ...conf, 'cni.dev/valid-attachments': valid }))
    expect(codeOf(answer)).toBeUndefined()
    expect({ ...snapshot(world), leases: {} }).toEqual(before)
  })
})
