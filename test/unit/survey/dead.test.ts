import { describe, expect, test } from 'vitest'
import { survey } from '../../../src/sriov/survey/survey.js'
import { call, callHostAs, netConf } from '../../fakes/call.js'
import { makeMachine, POD_A, VF_ADDRESS } from '../../fakes/machine/machine.js'
import type { FakeWorld } from '../../fakes/machine/world.js'

const isOfAttachment = (path: string) =>
  path.startsWith('/var/lib/cni/sriov/pod-a-') || path.endsWith(`.vf-${VF_ADDRESS}`)

function setPhase(world: FakeWorld, from: string, to: string): void {
  for (const [path, text] of world.files) {
    if (isOfAttachment(path)) {
      world.files.set(path, text.replace(`"phase":"${from}"`, `"phase":"${to}"`))
    }
  }
}

/** A DEL that has begun: its record says so. */
async function beingGivenBack(): Promise<FakeWorld> {
  const world = makeMachine()
  await call(world, 'ADD', netConf({ vlan: 100 }))
  world.removeNetns(POD_A)
  setPhase(world, 'attached', 'releasing')
  return world
}

function finish(world: FakeWorld): void {
  for (const path of [...world.files.keys()].filter(
    (one) => isOfAttachment(one) || one.includes(`/pci/${VF_ADDRESS}`),
  )) {
    world.files.delete(path)
  }
  for (const vf of world.cards.flatMap(({ vfs }) => vfs)) {
    vf.settings.vlan = 0
  }
}

/** What a survey says of the VF; `meanwhile` happens before the first search for workers has looked at any process. */
async function verdictOn(world: FakeWorld, meanwhile: () => void) {
  const host = callHostAs(world, {})
  let searches = 0
  const files = {
    ...host.files,
    list(folder: string) {
      if (folder === '/proc') {
        searches += 1
        if (searches === 1) {
          meanwhile()
        }
      }
      return host.files.list(folder)
    },
  }
  const { vfs } = await survey({ ...host, files })
  expect(searches).toBeGreaterThan(0)
  return vfs.find(({ address }) => address === VF_ADDRESS)?.verdict
}

describe('a record that says that a DEL has begun, and no process that holds the lock of its VF', () => {
  test('a DEL that was killed', async () => {
    const world = await beingGivenBack()
    expect(await verdictOn(world, () => undefined)).toMatchObject({ state: 'unfinished', reason: 'del-unfinished' })
  })

  test('a DEL that ended between the look at its record and the search', async () => {
    const world = await beingGivenBack()
    expect(await verdictOn(world, () => finish(world))).toEqual({ state: 'free' })
  })

  test('a DEL that has gone on to its lease', async () => {
    const world = await beingGivenBack()
    expect(await verdictOn(world, () => setPhase(world, 'releasing', 'released'))).toEqual({
      state: 'unfinished',
      reason: 'at-work',
      problem: expect.stringMatching(
        /^a call is at work on it for container pod-a interface net1 .*, whose ADD began at/,
      ),
    })
  })
})

test('a VLAN on the PF whose DEL ended after the PF was asked', async () => {
  const world = await beingGivenBack()
  finish(world)
  for (const vf of world.cards.flatMap(({ vfs }) => vfs)) {
    vf.settings.vlan = 100
  }
  expect(await verdictOn(world, () => finish(world))).toEqual({ state: 'free' })
})
