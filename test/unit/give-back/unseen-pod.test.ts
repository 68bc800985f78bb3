import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, POD_A, POD_B, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { IPAM } from '../../fakes/scenarios.js'

const CONF = netConf({ vlan: 5, ...IPAM })
const DPDK = netConf({ dpdk: { kernel_driver: 'ablevf', dpdk_driver: 'vfio-pci' }, vlan: 5 })
const AS_B = { containerId: 'pod-b', netns: POD_B }
const listing = (...containers: string[]) =>
  netConf({
    vlan: 5,
    'cni.dev/valid-attachments': containers.map((containerID) => ({ containerID, ifname: 'net1' })),
  })

/** As a caller in another mount and PID namespace sees it: neither the path nor any process of the pod is there. */
function hidePod(world: FakeWorld): () => void {
  const netns = world.netns(POD_A)
  world.namespaces.delete(POD_A)
  world.namespaces.set('/elsewhere', netns)
  world.symlinks.set('/proc/self/ns/mnt', 'mnt:[4026532999]')
  world.symlinks.set('/proc/self/ns/pid', 'pid:[4026532998]')
  return () => {
    world.namespaces.set(POD_A, netns)
    world.symlinks.delete('/proc/self/ns/mnt')
    world.symlinks.delete('/proc/self/ns/pid')
  }
}

describe('a pod that the caller cannot see', () => {
  test('keeps its VF when another ADD wants it', async () => {
    const world = makeMachine()
    await call(world, 'ADD', CONF)
    hidePod(world)
    const before = snapshot(world)
    const answer = await call(world, 'ADD', CONF, AS_B)
    expect([codeOf(answer), messageOf(answer)]).toEqual([102, expect.stringContaining('pod-a')])
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps its VF when GC has no list', async () => {
    const world = makeMachine()
    await call(world, 'ADD', CONF)
    hidePod(world)
    const before = snapshot(world)
    expect(codeOf(await call(world, 'GC', CONF))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps a VF that is on vfio-pci', async () => {
    const world = makeMachine()
    await call(world, 'ADD', DPDK)
    hidePod(world)
    const before = snapshot(world)
    expect(codeOf(await call(world, 'ADD', DPDK, AS_B))).toBe(102)
    expect(codeOf(await call(world, 'GC', DPDK))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps its VF after a DEL from there, as long as the runtime lists it', async () => {
    const world = makeMachine()
    await call(world, 'ADD', CONF)
    const show = hidePod(world)
    expect(codeOf(await call(world, 'DEL', CONF))).toBe(109)
    show()
    expect(codeOf(await call(world, 'GC', listing('pod-a')))).toBeUndefined()
    expect(world.link(world.netns(POD_A), 'net1').parentDevice).toBe(VF_ADDRESS)
    expect(codeOf(await call(world, 'GC', listing()))).toBeUndefined()
    expect(world.link(world.host, VF_NAME).parentDevice).toBe(VF_ADDRESS)
  })
})

test('a namespace that the kernel is taking apart is waited for', async () => {
  const world = makeMachine()
  await call(world, 'ADD', CONF)
  world.removeNetns(POD_A, 500)
  expect(codeOf(await call(world, 'ADD', CONF, AS_B))).toBeUndefined()
})

describe('an attachment whose namespace has the number of the one before', () => {
  /** `ip netns del` and `add` of one name: the VF is home, the record fits the new namespace. */
  async function reborn() {
    const world = makeMachine()
    const before = snapshot(world)
    await call(world, 'ADD', CONF)
    const { inode } = world.netns(POD_A)
    world.removeNetns(POD_A)
    world.namespaces.set(POD_A, { inode, links: [] })
    return { world, before }
  }

  test('does not keep the VF from the next pod', async () => {
    const { world } = await reborn()
    expect(codeOf(await call(world, 'ADD', CONF, AS_B))).toBeUndefined()
    expect(world.link(world.netns(POD_B), 'net1').parentDevice).toBe(VF_ADDRESS)
  })

  test('does not refuse an ADD of the same attachment', async () => {
    const { world } = await reborn()
    expect(codeOf(await call(world, 'ADD', CONF))).toBeUndefined()
    expect(world.link(world.netns(POD_A), 'net1').parentDevice).toBe(VF_ADDRESS)
  })

  test('is collected by GC without a list', async () => {
    const { world, before } = await reborn()
    expect(codeOf(await call(world, 'GC', CONF))).toBeUndefined()
    expect(snapshot(world)).toEqual({ ...before, namespaces: expect.anything() })
  })
})
