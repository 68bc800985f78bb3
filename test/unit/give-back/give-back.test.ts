import { describe, expect, test } from 'vitest'
import { call, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'
import { ALL_SETTINGS, IPAM, isServed, SCENARIOS, WANTED_MAC } from '../../fakes/scenarios.js'

describe.each(SCENARIOS)('ADD and DEL with $name', ({ make, conf }) => {
  test('DEL gives back exactly what ADD took', async () => {
    const world = make()
    const before = snapshot(world)
    const added = await call(world, 'ADD', netConf(conf))
    expect(added.stdout).not.toContain('"code"')
    expect(added.exitCode).toBe(0)
    expect(isServed(world, POD_A)).toBe(true)
    expect(world.openDescriptors).toBe(0)

    const deleted = await call(world, 'DEL', netConf(conf))
    expect(deleted).toMatchObject({ exitCode: 0, stdout: '' })
    expect(snapshot(world)).toEqual(before)
  })

  test('CHECK agrees with what ADD did', async () => {
    const world = make()
    await call(world, 'ADD', netConf(conf))
    const before = snapshot(world)
    expect(await call(world, 'CHECK', netConf(conf))).toMatchObject({ exitCode: 0, stdout: '' })
    expect(snapshot(world)).toEqual(before)
  })

  test.each([0, 500])('DEL gives all back when the namespace is gone (%i ms cleanup)', async (cleanupMs) => {
    const world = make()
    await call(world, 'ADD', netConf(conf))
    world.removeNetns(POD_A, cleanupMs)
    const deleted = await call(world, 'DEL', netConf(conf), { netns: '' })
    expect(messageOf(deleted)).toBe('')

    const untouched = make()
    untouched.removeNetns(POD_A)
    expect(snapshot(world)).toEqual(snapshot(untouched))
  })

  test('DEL works again after it worked', async () => {
    const world = make()
    const before = snapshot(world)
    await call(world, 'ADD', netConf(conf))
    await call(world, 'DEL', netConf(conf))
    expect(await call(world, 'DEL', netConf(conf))).toMatchObject({ exitCode: 0, stdout: '' })
    expect(snapshot(world)).toEqual(before)
  })
})

test('ADD applies every setting', async () => {
  const world = SCENARIOS[1]?.make()
  if (!world) {
    throw new Error('there is no such scenario')
  }
  const answer = await call(world, 'ADD', netConf(ALL_SETTINGS))
  expect(world.vf(VF_ADDRESS).settings).toEqual({
    mac: WANTED_MAC,
    vlan: 100,
    vlanQoS: 3,
    vlanProto: '802.1ad',
    minTxRateMbps: 10,
    maxTxRateMbps: 200,
    spoofchk: false,
    trust: true,
    linkState: 'enable',
  })
  expect(world.link(world.netns(POD_A), 'net1')).toMatchObject({
    mac: WANTED_MAC,
    mtu: 2000,
    isUp: true,
    isPromisc: true,
    isAllmulti: true,
    parentDevice: VF_ADDRESS,
  })
  expect(world.host.links.map(({ name }) => name)).not.toContain(VF_NAME)
  expect(documentOf(answer)).toEqual({
    cniVersion: '1.1.0',
    interfaces: [{ name: 'net1', mac: WANTED_MAC, mtu: 2000, sandbox: POD_A, pciID: VF_ADDRESS }],
    dns: {},
  })
})

describe('what a pod has done to its interface goes with the pod', () => {
  const left = { hasXdp: true, hasArp: false, isMulticast: false, linkMode: 1 }

  test.each([
    ['before its DEL', (world: FakeWorld) => Object.assign(world.link(world.netns(POD_A), 'net1'), left)],
    [
      'and its namespace ended first',
      (world: FakeWorld) => {
        Object.assign(world.link(world.netns(POD_A), 'net1'), left)
        world.removeNetns(POD_A)
      },
    ],
  ])('an XDP program, no ARP, no multicast, link mode dormant: %s', async (_when, done) => {
    const world = makeMachine()
    const { vfs } = snapshot(world)
    const conf = netConf({ mtu: 2000 })
    await call(world, 'ADD', conf)
    done(world)
    const answer = await call(world, 'DEL', conf)
    expect(messageOf(answer)).toBe('')
    const found = world.host.links.find(({ parentDevice }) => parentDevice === VF_ADDRESS)
    expect(found).toMatchObject({ hasXdp: false, mtu: 1500 })
    expect([found?.hasArp ?? true, found?.isMulticast ?? true, found?.linkMode ?? 0]).toEqual([true, true, 0])
    expect(snapshot(world).vfs).toEqual(vfs)
  })

  test('the XDP program of the host stays, where the policy lets such an interface be given', async () => {
    const world = makeMachine()
    setPolicy(world, { hostInterfaces: true })
    Object.assign(world.link(world.host, VF_NAME), { hasXdp: true })
    expect(messageOf(await call(world, 'ADD', netConf()))).toBe('')
    expect(messageOf(await call(world, 'DEL', netConf()))).toBe('')
    expect(world.link(world.host, VF_NAME).hasXdp).toBe(true)
  })
})

test('DEL restores the VF before it waits for the IPAM plugin, which may hang', async () => {
  const world = makeMachine()
  const before = snapshot(world).vfs
  const conf = netConf({ vlan: 5, mac: WANTED_MAC, ...IPAM })
  await call(world, 'ADD', conf)
  let whenWaitedFor: unknown
  const answer = await call(world, 'DEL', conf, {
    interfere({ what }, work) {
      if (/^wait for .*DEL/.test(what)) {
        whenWaitedFor = snapshot(world).vfs
      }
      return work()
    },
  })
  expect(messageOf(answer)).toBe('')
  expect(whenWaitedFor).toEqual(before)
})
