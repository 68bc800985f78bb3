import { expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeLink } from '../../fakes/kernel/links.js'
import { makeMachine, OTHER_VF_ADDRESS, POD_A, POD_B, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const FULL = netConf({ ...ALL_SETTINGS, ...IPAM })
const AS_B = { containerId: 'pod-b', netns: POD_B }

test('ADD refuses a name that the pod has, and does not touch that interface', async () => {
  const world = makeMachine()
  const before = snapshot(world)
  const answer = await call(world, 'ADD', FULL, { ifName: 'eth0' })
  expect(codeOf(answer)).toBe(103)
  expect(messageOf(answer)).toContain('eth0')
  expect(snapshot(world)).toEqual(before)
})

test('ADD refuses a name that is an alternative name in the pod', async () => {
  const world = makeMachine()
  world.link(world.netns(POD_A), 'eth0').altNames.push('net1')
  const before = snapshot(world)
  expect(codeOf(await call(world, 'ADD', FULL))).toBe(103)
  expect(snapshot(world)).toEqual(before)
})

test('ADD works when the VF has an alternative name equal to the name in the pod', async () => {
  const world = makeMachine()
  world.link(world.host, VF_NAME).altNames.push('net1')
  const before = snapshot(world)
  expect(codeOf(await call(world, 'ADD', FULL))).toBeUndefined()
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  expect(snapshot(world)).toEqual(before)
})

test('ADD works when the pod has an interface with the name of the VF on the host', async () => {
  const world = makeMachine()
  world.netns(POD_A).links.push(makeLink({ name: VF_NAME }))
  const before = snapshot(world)
  expect(codeOf(await call(world, 'ADD', FULL))).toBeUndefined()
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  expect(snapshot(world)).toEqual(before)
})

test('ADD refuses a pod where an interface has an alternative name of the VF, with everything undone', async () => {
  const world = makeMachine()
  world.netns(POD_A).links.push(makeLink({ name: 'enp1s0f0v2' }))
  const before = snapshot(world)
  expect(messageOf(await call(world, 'ADD', FULL))).toContain('EEXIST')
  expect(snapshot(world)).toEqual(before)
})

test('ADD refuses a VF that a live pod has, and names the holder', async () => {
  const world = makeMachine()
  await call(world, 'ADD', FULL)
  const before = snapshot(world)
  const answer = await call(world, 'ADD', FULL, AS_B)
  expect(codeOf(answer)).toBe(102)
  expect(messageOf(answer)).toContain('container pod-a interface net1')
  expect(snapshot(world)).toEqual(before)
})

test('ADD refuses a VF that the mark of another plugin gives to a live pod', async () => {
  const world = makeMachine()
  world.files.set(`/var/lib/cni/sriov/pci/${VF_ADDRESS}`, POD_B)
  const before = snapshot(world)
  expect(codeOf(await call(world, 'ADD', FULL))).toBe(102)
  expect(snapshot(world)).toEqual(before)
})

test('ADD takes a VF whose mark names a dead pod', async () => {
  const world = makeMachine()
  world.files.set(`/var/lib/cni/sriov/pci/${VF_ADDRESS}`, '/run/netns/gone')
  expect(codeOf(await call(world, 'ADD', FULL))).toBeUndefined()
})

test('ADD refuses a second ADD of a live attachment, also when its own first try died with the resident process', async () => {
  const world = makeMachine()
  await call(world, 'ADD', netConf())
  const full = snapshot(world)
  const beganMs = world.clock.dateMs() + 1
  const environment = { SRIOV_CNI_AGAIN: String(beganMs) }
  expect(codeOf(await call(world, 'ADD', netConf(), { environment }))).toBe(104)
  expect(snapshot(world)).toEqual(full)
})

test('ADD refuses a second ADD of the same attachment, whatever its VF', async () => {
  const world = makeMachine()
  await call(world, 'ADD', FULL)
  const before = snapshot(world)
  expect(codeOf(await call(world, 'ADD', FULL))).toBe(104)
  expect(codeOf(await call(world, 'ADD', netConf({ deviceID: OTHER_VF_ADDRESS })))).toBe(104)
  expect(snapshot(world)).toEqual(before)
})

test('ADD takes a VF back from a pod that died without a DEL', async () => {
  const world = makeMachine()
  await call(world, 'ADD', FULL)
  world.removeNetns(POD_A)
  expect(codeOf(await call(world, 'ADD', FULL, AS_B))).toBeUndefined()
  expect(codeOf(await call(world, 'DEL', FULL, AS_B))).toBeUndefined()
  const untouched = makeMachine()
  untouched.removeNetns(POD_A)
  expect(snapshot(world)).toEqual(snapshot(untouched))
})

test('DEL that is late leaves a VF alone that another pod has by now', async () => {
  const world = makeMachine()
  await call(world, 'ADD', FULL)
  world.removeNetns(POD_A)
  await call(world, 'ADD', FULL, AS_B)
  const before = snapshot(world)
  expect(codeOf(await call(world, 'DEL', FULL, { netns: '' }))).toBeUndefined()
  expect(snapshot(world)).toEqual(before)
})

test('DEL that is late and finds an old record leaves a VF alone that another pod has by now', async () => {
  const world = makeMachine()
  await call(world, 'ADD', FULL)
  const record = world.files.get('/var/lib/cni/sriov/pod-a-net1') ?? ''
  world.removeNetns(POD_A)
  await call(world, 'ADD', FULL, AS_B)
  const before = snapshot(world)
  world.files.set('/var/lib/cni/sriov/pod-a-net1', record)
  expect(codeOf(await call(world, 'DEL', FULL, { netns: '' }))).toBeUndefined()
  expect(snapshot(world)).toEqual(before)
})

test('ADD and DEL with one interface in two pods at once give both VFs back', async () => {
  const world = makeMachine()
  const before = snapshot(world)
  const other = netConf({ deviceID: OTHER_VF_ADDRESS, ...IPAM })
  const answers = await Promise.all([call(world, 'ADD', FULL), call(world, 'ADD', other, AS_B)])
  expect(answers.map(codeOf)).toEqual([undefined, undefined])
  await Promise.all([call(world, 'DEL', FULL), call(world, 'DEL', other, AS_B)])
  expect(snapshot(world)).toEqual(before)
})

test('ADD for two pods at once gives one VF to one of them', async () => {
  const world = makeMachine()
  const answers = await Promise.all([call(world, 'ADD', FULL), call(world, 'ADD', FULL, AS_B)])
  expect(answers.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1])
  expect(world.locks.size).toBe(0)
})

test('DEL leaves a VF alone that another plugin has marked for another pod', async () => {
  const world = makeMachine()
  await call(world, 'ADD', FULL)
  world.files.set(`/var/lib/cni/sriov/pci/${VF_ADDRESS}`, POD_B)
  const { vfs, namespaces } = snapshot(world)
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  expect(snapshot(world)).toMatchObject({ vfs, namespaces })
  expect(world.files.get(`/var/lib/cni/sriov/pci/${VF_ADDRESS}`)).toBe(POD_B)
  expect(world.leases.size).toBe(0)
})
