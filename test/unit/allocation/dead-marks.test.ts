import { describe, expect, test } from 'vitest'
import { call, messageOf, netConf } from '../../fakes/call.js'
import { killAt } from '../../fakes/machine/interference.js'
import { makeMachine, POD_A, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { IPAM } from '../../fakes/scenarios.js'

const CONF = netConf({ vlan: 100, ...IPAM })
const PLAIN = netConf()
const AS_B = { containerId: 'pod-b', netns: POD_B }
const STATE = '/var/lib/cni/sriov'
const MARK = `${STATE}/pci/${VF_ADDRESS}`
const CLAIM = `${STATE}/.vf-${VF_ADDRESS}`

/** Pod A has died without a DEL, with VLAN 100 on its VF. */
async function dead() {
  const world = makeMachine()
  await call(world, 'ADD', CONF)
  world.removeNetns(POD_A)
  return world
}

const untouched = () => {
  const world = makeMachine()
  world.removeNetns(POD_A)
  return snapshot(world)
}

describe('a mark that a dead pod of another plugin left over ours', () => {
  test('does not give the next pod a VF with our VLAN', async () => {
    const world = await dead()
    world.files.set(MARK, '/run/netns/dead-go-pod')
    expect(messageOf(await call(world, 'ADD', PLAIN, AS_B))).toBe('')
    expect(world.vf(VF_ADDRESS).settings.vlan).toBe(0)
    await call(world, 'DEL', PLAIN, AS_B)
    await call(world, 'DEL', CONF, { netns: '' })
    expect(snapshot(world)).toEqual(untouched())
  })

  test.each(['DEL', 'GC'])('does not keep %s from giving the VF back', async (verb) => {
    const world = await dead()
    world.files.set(MARK, '/run/netns/dead-go-pod')
    expect(messageOf(await call(world, verb, { ...CONF, 'cni.dev/valid-attachments': [] }, { netns: '' }))).toBe('')
    expect(snapshot(world)).toEqual(untouched())
  })

  test('goes with an ADD that was killed before it wrote its own', async () => {
    const world = makeMachine()
    const before = snapshot(world)
    world.folders.add(STATE).add(`${STATE}/pci`)
    world.files.set(MARK, '/run/netns/dead-go-pod')
    const isMark = ({ what }: { what: string }) => what === `write ${MARK}`
    await call(world, 'ADD', CONF, { interfere: killAt(isMark, 0, 'before') })
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })
})

describe('a claim that cannot be read', () => {
  test('does not give the next pod a VF with our VLAN when the mark is gone, too', async () => {
    const world = await dead()
    world.files.set(CLAIM, 'garbage')
    world.files.delete(MARK)
    expect(messageOf(await call(world, 'ADD', PLAIN, AS_B))).toBe('')
    expect(world.vf(VF_ADDRESS).settings.vlan).toBe(0)
  })

  test('is removed by GC when nobody speaks of its VF', async () => {
    const world = makeMachine()
    world.folders.add(STATE)
    world.files.set(CLAIM, 'garbage')
    expect(messageOf(await call(world, 'GC', { ...PLAIN, 'cni.dev/valid-attachments': [] }))).toBe('')
    expect(world.files.has(CLAIM)).toBe(false)
  })
})

test('a release that died after the VF was back leaves nothing, once another pod has taken the VF', async () => {
  const world = makeMachine()
  const before = snapshot(world)
  await call(world, 'ADD', CONF)
  const isClaim = ({ what }: { what: string }) => what === `remove ${CLAIM}`
  await call(world, 'DEL', CONF, { interfere: killAt(isClaim, 0, 'after') })
  expect(messageOf(await call(world, 'ADD', PLAIN, AS_B))).toBe('')
  expect(world.leases.size).toBe(0)
  expect([...world.files.keys()].filter((path) => path.includes('pod-a-net1'))).toEqual([])
  expect(messageOf(await call(world, 'DEL', PLAIN, AS_B))).toBe('')
  expect(snapshot(world)).toEqual(before)
})
