import { expect, test } from 'vitest'
import { call, codeOf, netConf } from '../../fakes/call.js'
import { failingAt, leaseProgram } from '../../fakes/ipam.js'
import { findByName, makeLink } from '../../fakes/kernel/links.js'
import type { Interference } from '../../fakes/machine/interference.js'
import { IPAM_PATH, makeMachine, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const FULL = netConf({ ...ALL_SETTINGS, ...IPAM })
const RECORD = '/var/lib/cni/sriov/pod-a-net1'
const KILLED = { status: 137, stdout: '' }

test('DEL leaves a virtual interface alone that the pod gave the name of the VF', async () => {
  const world = makeMachine()
  await call(world, 'ADD', FULL)
  world.link(world.netns(POD_A), 'net1').name = 'data0'
  const dummy = makeLink({ name: 'net1', mac: '02:00:00:00:00:dd', mtu: 9000 })
  world.netns(POD_A).links.push(dummy)
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  expect(findByName(world.netns(POD_A), 'net1')).toBe(dummy)
  expect(dummy).toMatchObject({ name: 'net1', mtu: 9000 })
  expect(world.link(world.host, VF_NAME).parentDevice).toBe(VF_ADDRESS)
})

test('DEL without a record succeeds although the IPAM plugin refuses', async () => {
  const world = makeMachine()
  world.programs.set(IPAM_PATH, failingAt('DEL', { code: 7, msg: 'invalid CIDR address' }))
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  world.programs.delete(IPAM_PATH)
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
})

test('an IPAM plugin that refuses ADD and DEL leaves nothing behind', async () => {
  const world = makeMachine()
  const before = snapshot(world)
  world.programs.set(IPAM_PATH, () => ({ status: 1, stdout: JSON.stringify({ code: 7, msg: 'invalid CIDR address' }) }))
  expect(codeOf(await call(world, 'ADD', FULL))).toBe(7)
  expect(snapshot(world)).toEqual(before)
})

test('an IPAM plugin that was killed may have left a lease: the record stays until DEL has freed it', async () => {
  const world = makeMachine()
  const before = snapshot(world)
  world.programs.set(IPAM_PATH, ({ environment }, { leases }) => {
    if (environment.CNI_COMMAND === 'ADD') {
      leases.set('pod-a net1', '')
    }
    return KILLED
  })
  expect(codeOf(await call(world, 'ADD', FULL))).toBe(105)
  expect(JSON.parse(world.files.get(RECORD) ?? '{}')).toMatchObject({ phase: 'released' })
  expect(world.link(world.host, VF_NAME).parentDevice).toBe(VF_ADDRESS)
  world.programs.set(IPAM_PATH, leaseProgram())
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  expect(world.leases.size).toBe(0)
  expect(snapshot(world)).toEqual(before)
})

test('an alternative name that became the name of the VF does not keep DEL from finishing', async () => {
  const world = makeMachine()
  world.link(world.host, VF_NAME).altNames.push('enp1s0v2')
  await call(world, 'ADD', FULL)
  world.host.links.push(makeLink({ name: VF_NAME }), makeLink({ name: 'enp1s0v2' }))
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  expect(findByName(world.host, 'dev0')?.parentDevice).toBe(VF_ADDRESS)
})

test('GC releases the record as it is under the lock, not as it was found', async () => {
  const world = makeMachine()
  await call(world, 'ADD', FULL)
  const record = JSON.parse(world.files.get(RECORD) ?? '{}')
  world.files.set(RECORD, JSON.stringify({ ...record, netns: { ...record.netns, inode: 'dead' } }))
  const interfere: Interference = (effect, work) => {
    const done = work()
    if (effect.kind === 'lock') {
      world.files.set(RECORD, JSON.stringify(record))
    }
    return done
  }
  expect(codeOf(await call(world, 'GC', FULL, { interfere }))).toBeUndefined()
  expect(world.link(world.netns(POD_A), 'net1').parentDevice).toBe(VF_ADDRESS)
  expect(world.files.has(RECORD)).toBe(true)
})
