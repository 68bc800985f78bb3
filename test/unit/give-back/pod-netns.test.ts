import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import type { Interference } from '../../fakes/machine/interference.js'
import { makeMachine, POD_A, POD_B, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { HOST_NETNS } from '../../fakes/machine/world.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const FULL = netConf({ ...ALL_SETTINGS, ...IPAM })
const AS_B = { containerId: 'pod-b', netns: POD_B }
const PID = 4711

async function attached() {
  const world = makeMachine()
  const { vfs } = snapshot(world)
  await call(world, 'ADD', FULL)
  return { world, vfs }
}

describe('a namespace whose path has gone while a process lives in it', () => {
  test('is found by DEL through /proc', async () => {
    const { world, vfs } = await attached()
    world.unmountNetns(POD_A, PID)
    expect(codeOf(await call(world, 'DEL', FULL, { netns: '' }))).toBeUndefined()
    expect(snapshot(world).vfs).toEqual(vfs)
    expect(world.link(world.host, VF_NAME).parentDevice).toBe(VF_ADDRESS)
  })

  test('is found by DEL where it is mounted as well', async () => {
    const { world, vfs } = await attached()
    const netns = world.netns(POD_A)
    world.namespaces.delete(POD_A)
    world.namespaces.set('/mnt/pod a', netns)
    world.files.set(
      '/proc/self/mountinfo',
      `22 1 0:21 / / rw shared:1 - ext4 /dev/sda rw\n99 22 0:4 net:[${netns.inode}] /mnt/pod\\040a rw - nsfs nsfs rw\n`,
    )
    expect(codeOf(await call(world, 'DEL', FULL, { netns: '' }))).toBeUndefined()
    expect(snapshot(world).vfs).toEqual(vfs)
  })

  test('is found by DEL at the path that the runtime gives', async () => {
    const { world, vfs } = await attached()
    const netns = world.netns(POD_A)
    world.namespaces.delete(POD_A)
    world.namespaces.set('/proc/9/task/9/ns/net', netns)
    expect(codeOf(await call(world, 'DEL', FULL, { netns: '/proc/9/task/9/ns/net' }))).toBeUndefined()
    expect(snapshot(world).vfs).toEqual(vfs)
  })

  test('counts as alive for ADD and GC', async () => {
    const { world } = await attached()
    world.unmountNetns(POD_A, PID)
    const before = snapshot(world)
    expect(codeOf(await call(world, 'ADD', FULL, AS_B))).toBe(102)
    expect(codeOf(await call(world, 'GC', FULL))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('counts as dead when another pod got its number', async () => {
    const { world } = await attached()
    const { inode } = world.netns(POD_A)
    world.removeNetns(POD_A)
    world.namespaces.set(`/proc/${PID}/ns/net`, { inode, links: [] })
    world.symlinks.set(`/proc/${PID}/ns/net`, `net:[${inode}]`)
    expect(codeOf(await call(world, 'ADD', FULL, AS_B))).toBeUndefined()
  })
})

test('ADD whose pod loses its path half-way is undone', async () => {
  const world = makeMachine()
  const { vfs } = snapshot(world)
  const interfere: Interference = ({ what }, work, refuse) => {
    if (what.startsWith('RTM_SETLINK')) {
      const netns = world.namespaces.get(POD_A)
      world.namespaces.delete(POD_A)
      return netns ? refuse('EIO') : work()
    }
    return work()
  }
  expect(codeOf(await call(world, 'ADD', netConf({ vlan: 5 }), { interfere }))).toBe(100)
  expect(snapshot(world).vfs).toEqual(vfs)
  expect(world.link(world.host, VF_NAME).parentDevice).toBe(VF_ADDRESS)
  expect(world.openDescriptors).toBe(0)
})

describe("DEL with the plugin's own namespace", () => {
  test('gives the VF back that a record knows', async () => {
    const { world, vfs } = await attached()
    expect(codeOf(await call(world, 'DEL', FULL, { netns: HOST_NETNS }))).toBeUndefined()
    expect(snapshot(world).vfs).toEqual(vfs)
  })

  test('succeeds again when the number of a process that ended is used by one of the host', async () => {
    const { world } = await attached()
    world.namespaces.set('/proc/4711/ns/net', world.host)
    const options = { netns: '/proc/4711/ns/net' }
    expect(codeOf(await call(world, 'DEL', FULL, options))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', FULL, options))).toBeUndefined()
  })

  test('is a mistake of the caller when nothing is known', async () => {
    const answer = await call(makeMachine(), 'DEL', FULL, { netns: HOST_NETNS })
    expect([codeOf(answer), messageOf(answer)]).toEqual([8, expect.stringContaining('should not be the same')])
    expect(documentOf(answer)).toBeDefined()
  })
})

test('DEL takes away alternative names that the interface got in the pod', async () => {
  const { world } = await attached()
  world.link(world.netns(POD_A), 'net1').altNames.push('given-by-the-pod')
  expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  expect(world.link(world.host, VF_NAME).altNames).toEqual(['enp1s0f0v2'])
})
