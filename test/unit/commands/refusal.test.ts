import { describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { call, codeOf, netConf } from '../../fakes/call.js'
import { type Effect, everyRequest, recordEffects, refuseAt } from '../../fakes/interference.js'
import { SCENARIOS, type Scenario } from '../../fakes/scenarios.js'
import { snapshot } from '../../fakes/snapshot.js'

const ERRNOS = ['EIO', 'EEXIST', 'EADDRNOTAVAIL', 'EBUSY', 'ENODEV']

async function effectsOf({ make, conf }: Scenario, verb: 'ADD' | 'DEL'): Promise<Effect[]> {
  const effects: Effect[] = []
  const world = make()
  if (verb === 'DEL') {
    await call(world, 'ADD', netConf(conf))
  }
  await call(world, verb, netConf(conf), { interfere: recordEffects(everyRequest, effects) })
  return effects
}

const CASES = await Promise.all(
  SCENARIOS.map(async (scenario) => ({
    scenario,
    name: scenario.name,
    effects: await effectsOf(scenario, 'ADD'),
    delEffects: await effectsOf(scenario, 'DEL'),
  })),
)

describe.each(CASES)('ADD with $name and one refusal', ({ scenario: { make, conf }, effects }) => {
  const cases = effects.flatMap(({ what }, at) => ERRNOS.map((errno) => ({ at, what, errno })))

  test.each(cases)('$at $what, $errno: succeeds or is undone', async ({ at, errno }) => {
    count('injected faults')
    const world = make()
    const before = snapshot(world)
    const answer = await call(world, 'ADD', netConf(conf), { interfere: refuseAt(everyRequest, at, errno) })
    if (answer.exitCode === 0) {
      expect(codeOf(await call(world, 'CHECK', netConf(conf)))).toBeUndefined()
      expect(codeOf(await call(world, 'DEL', netConf(conf)))).toBeUndefined()
    }
    expect(snapshot(world)).toEqual(before)
  })
})

describe.each(CASES)('ADD with $name and refusals from one request on', ({ scenario: { make, conf }, effects }) => {
  test.each(effects.map(({ what }, at) => ({ at, what })))('$at $what: a later DEL brings all back', async ({ at }) => {
    count('injected faults')
    const world = make()
    const before = snapshot(world)
    const interfere = refuseAt(everyRequest, at, 'EIO', Number.POSITIVE_INFINITY)
    await call(world, 'ADD', netConf(conf), { interfere })
    expect(world.openDescriptors).toBe(0)
    expect(world.locks.size).toBe(0)
    expect(codeOf(await call(world, 'DEL', netConf(conf)))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })
})

describe.each(CASES)('DEL with $name and one refusal', ({ scenario: { make, conf }, delEffects }) => {
  const cases = delEffects.flatMap(({ what }, at) => ERRNOS.map((errno) => ({ at, what, errno })))

  test.each(cases)('$at $what, $errno: succeeds or is finished by the next DEL', async ({ at, errno }) => {
    count('injected faults')
    const world = make()
    const before = snapshot(world)
    await call(world, 'ADD', netConf(conf))
    const answer = await call(world, 'DEL', netConf(conf), { interfere: refuseAt(everyRequest, at, errno) })
    if (answer.exitCode !== 0) {
      expect(codeOf(await call(world, 'DEL', netConf(conf)))).toBeUndefined()
    }
    expect(snapshot(world)).toEqual(before)
  })
})
