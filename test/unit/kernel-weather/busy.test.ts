import { describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import {
  type Choice,
  type Effect,
  type Interference,
  recordEffects,
  refuseAt,
} from '../../fakes/machine/interference.js'
import { makeMachine, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { SCENARIOS, type Scenario } from '../../fakes/scenarios.js'

const everyNetlink: Choice = ({ kind }) => kind === 'netlink'
const BUSY = ['EBUSY', 'EAGAIN', 'EINTR', 'ENOBUFS'] as const
/** Fewer than the attempts of one request. */
const A_FEW = 5

async function requestsOf({ make, conf }: Scenario, verb: 'ADD' | 'DEL'): Promise<Effect[]> {
  const effects: Effect[] = []
  const world = make()
  if (verb === 'DEL') {
    await call(world, 'ADD', netConf(conf))
  }
  await call(world, verb, netConf(conf), { interfere: recordEffects(everyNetlink, effects) })
  return effects
}

const CASES = await Promise.all(
  SCENARIOS.map(async (scenario) => {
    const cases = (effects: Effect[]) => effects.flatMap(({ what }, at) => BUSY.map((errno) => ({ at, what, errno })))
    return {
      scenario,
      name: scenario.name,
      add: cases(await requestsOf(scenario, 'ADD')),
      del: cases(await requestsOf(scenario, 'DEL')),
    }
  }),
)

describe.each(CASES)('a driver that is busy for a while, with $name', ({ scenario: { make, conf }, add, del }) => {
  test.each(add)('does not hurt ADD: $at $what, $errno', async ({ at, errno }) => {
    count('injected faults')
    const world = make()
    const before = snapshot(world)
    const interfere = refuseAt(everyNetlink, at, errno, A_FEW)
    expect(messageOf(await call(world, 'ADD', netConf(conf), { interfere }))).toBe('')
    expect(codeOf(await call(world, 'CHECK', netConf(conf)))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', netConf(conf)))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(del)('does not hurt DEL: $at $what, $errno', async ({ at, errno }) => {
    count('injected faults')
    const world = make()
    const before = snapshot(world)
    await call(world, 'ADD', netConf(conf))
    const interfere = refuseAt(everyNetlink, at, errno, A_FEW)
    expect(messageOf(await call(world, 'DEL', netConf(conf), { interfere }))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })
})

test('a driver that is busy for ever is named, within seconds', async () => {
  const world = makeMachine()
  const before = snapshot(world)
  const interfere = refuseAt(({ what }) => what.startsWith('RTM_SETLINK'), 0, 'EBUSY', Number.POSITIVE_INFINITY)
  const answer = await call(world, 'ADD', netConf({ vlan: 5 }), { interfere })
  expect(messageOf(answer)).toContain('VF 2 of ens1f0 (driver able): EBUSY')
  expect(snapshot(world)).toEqual(before)
  expect(world.clock.nowMs()).toBeLessThan(20_000)
})

test('a driver that says it is busy and does it all the same is believed when it shows it', async () => {
  const world = makeMachine()
  const interfere: Interference = (effect, work, refuse) => {
    const done = work()
    return effect.what.startsWith('RTM_SETLINK') ? refuse('EBUSY') : done
  }
  expect(messageOf(await call(world, 'ADD', netConf({ vlan: 5, spoofchk: 'off' }), { interfere }))).toBe('')
  expect(world.vf(VF_ADDRESS).settings).toMatchObject({ vlan: 5, spoofchk: false })
  expect(messageOf(await call(world, 'DEL', netConf(), { interfere }))).toBe('')
  expect(world.vf(VF_ADDRESS).settings).toMatchObject({ vlan: 0, spoofchk: true })
})
