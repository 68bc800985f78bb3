/** The order of an ADD of the resident process: the disk works beside the kernel. */
import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { type Effect, type Interference, recordEffects } from '../../fakes/machine/interference.js'
import { IPAM_PATH, makeMachine, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

function threadedMachine() {
  const world = makeMachine()
  world.hasThreads = true
  return world
}

const RECORD = /sriov\/[^./][^/]*$/

async function orderOf(conf: object): Promise<string[]> {
  const effects: Effect[] = []
  const interfere = recordEffects(({ kind, isChange }) => isChange && kind !== 'lock', effects)
  expect(messageOf(await call(threadedMachine(), 'ADD', netConf(conf), { interfere }))).toBe('')
  return effects.map(({ what }) => what)
}

describe('an ADD of the resident process', () => {
  test('starts its IPAM plugin when the intent is on the disk, and the mark is there before the first change', async () => {
    const order = await orderOf({ ...ALL_SETTINGS, ...IPAM })
    const at = (pattern: RegExp) => order.findIndex((what) => pattern.test(what))
    expect(at(/^create/)).toBeLessThan(at(/^sync/))
    expect(at(/^sync/)).toBeLessThan(at(new RegExp(`${IPAM_PATH} ADD$`)))
    expect(at(new RegExp(`^write .*/pci/${VF_ADDRESS}$`))).toBeLessThan(at(/^RTM_/))
  })

  test('has its last record beside its place when it comes to its end', async () => {
    const order = await orderOf(IPAM)
    expect(order.filter((what) => /^(prepare|put in its place|write durably)/.test(what) && RECORD.test(what))).toEqual(
      [expect.stringMatching(/^prepare/), expect.stringMatching(/^put in its place/)],
    )
  })

  test('whose intent the disk does not take is undone, its lease never asked for', async () => {
    const world = threadedMachine()
    const before = snapshot(world)
    const interfere: Interference = (effect, work, refuse) => (effect.what.startsWith('sync ') ? refuse('EIO') : work())
    const answer = await call(world, 'ADD', netConf({ ...ALL_SETTINGS, ...IPAM }), { interfere })
    expect(codeOf(answer)).toBe(106)
    expect(messageOf(answer)).toContain('EIO')
    expect(snapshot(world)).toEqual(before)
    expect(world.log.filter((line) => line.includes('IPAM') && line.includes('ADD'))).toEqual([])
  })

  test('writes the last record in its time when it could not be written before', async () => {
    const world = threadedMachine()
    const interfere: Interference = (effect, work, refuse) =>
      effect.what.startsWith('prepare ') ? refuse('ENOSPC') : work()
    expect(messageOf(await call(world, 'ADD', netConf(IPAM), { interfere }))).toBe('')
    expect([...world.files].filter(([path]) => RECORD.test(path)).map(([, text]) => JSON.parse(text).phase)).toEqual([
      'attached',
    ])
  })
})
