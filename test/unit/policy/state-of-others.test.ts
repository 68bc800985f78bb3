import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, POD_B, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { IPAM } from '../../fakes/scenarios.js'

const STATE = '/var/lib/cni/sriov'
const RECORD = `${STATE}/pod-a-net1`
const CLAIM = `${STATE}/.vf-${VF_ADDRESS}`
const MARK = `${STATE}/pci/${VF_ADDRESS}`
const CONF = netConf({ vlan: 5, ...IPAM })
const AS_B = { containerId: 'pod-b', netns: POD_B }

async function attached(): Promise<FakeWorld> {
  const world = makeMachine()
  expect(messageOf(await call(world, 'ADD', CONF))).toBe('')
  return world
}

describe('a state folder that others can write to', () => {
  test.each([
    ['the folder itself', STATE, { mode: 0o777 }],
    ['a folder above it', '/var/lib', { mode: 0o775 }],
    ['the folder of the marks', `${STATE}/pci`, { mode: 0o1777 }],
    ['a folder of another', STATE, { uid: 1000 }],
  ])('is not used: %s', async (_what, path, owner) => {
    const world = await attached()
    world.owners.set(path, owner)
    const before = snapshot(world)
    for (const verb of ['ADD', 'DEL', 'CHECK', 'GC']) {
      const answer = await call(world, verb, CONF, verb === 'ADD' ? AS_B : {})
      expect([verb, codeOf(answer), messageOf(answer)]).toEqual([verb, 106, expect.stringContaining(path)])
    }
    expect(codeOf(await call(world, 'STATUS', CONF))).toBe(50)
    expect(snapshot(world)).toEqual(before)
    world.owners.clear()
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
  })
})

describe('what is not root’s in a state folder', () => {
  test.each([
    ['belongs to another', { uid: 1000 }, 'belongs to user 1000'],
    ['can be written by others', { mode: 0o666 }, 'others than root can write to it'],
  ])('a record that %s is not read; the claim gives its VF back', async (_how, owner, text) => {
    const world = await attached()
    world.owners.set(RECORD, owner)
    expect(messageOf(await call(world, 'ADD', CONF))).toContain(text)
    expect(messageOf(await call(world, 'CHECK', CONF))).toContain(text)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(world.link(world.host, VF_NAME).parentDevice).toBe(VF_ADDRESS)
  })

  test('a record without a claim is an error of DEL, and stays', async () => {
    const world = await attached()
    world.files.delete(CLAIM)
    world.owners.set(RECORD, { uid: 1000 })
    const answer = await call(world, 'DEL', CONF)
    expect([codeOf(answer), messageOf(answer)]).toEqual([106, expect.stringContaining('belongs to user 1000')])
    expect(world.files.has(RECORD)).toBe(true)
  })

  test.each([
    ['claim', CLAIM],
    ['mark', MARK],
  ])('a %s: its VF is not given, and those of others are', async (_what, path) => {
    const world = makeMachine()
    world.folders.add(`${STATE}/pci`)
    world.files.set(path, '/run/netns/pod-b')
    world.owners.set(path, { uid: 1000 })
    const answer = await call(world, 'ADD', CONF)
    expect([codeOf(answer), messageOf(answer)]).toEqual([106, expect.stringContaining(path)])
    const other = netConf({ deviceID: undefined, master: 'ens1f0' })
    expect(messageOf(await call(world, 'ADD', other, AS_B))).toBe('')
    expect(messageOf(await call(world, 'DEL', other, AS_B))).toBe('')
  })
})
