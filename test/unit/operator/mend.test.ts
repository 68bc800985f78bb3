import { afterEach, describe, expect, test } from 'vitest'
import { journalEntries } from '../../../src/state/journal.js'
import { call, codeOf, hostOf, netConf } from '../../fakes/call.js'
import { makeMachine, OTHER_VF_ADDRESS, POD_A, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'
import { jsonOf, kubeletPods, living, sriovctl } from './operator.js'

const FULL = netConf({ ...ALL_SETTINGS, ...IPAM })

async function deadPod(environment = {}) {
  const world = makeMachine()
  await call(world, 'ADD', netConf({ deviceID: OTHER_VF_ADDRESS, name: 'other' }), {
    containerId: 'pod-b',
    netns: POD_B,
  })
  const before = snapshot(world)
  await call(world, 'ADD', FULL, { environment })
  world.removeNetns(POD_A)
  return { world, before }
}

describe('gc', () => {
  test('tells what it would give back, and changes nothing', async () => {
    const { world } = await deadPod()
    const now = snapshot(world)
    const { exitCode, text } = await sriovctl(world, ['gc'])
    expect(exitCode).toBe(0)
    expect(text).toMatch(/^1 device would be given back; sriovctl gc --apply does it\n {2}0000:01:10\.4: the pod of/)
    expect(snapshot(world)).toEqual(now)
  })

  test('--apply gives it back, the lease too; the VF of a live pod stays', async () => {
    const { world, before } = await deadPod()
    const { exitCode, text } = await sriovctl(world, ['gc', '--apply'])
    expect(text).toMatch(/^given back:\n {2}0000:01:10\.4/)
    expect(exitCode).toBe(0)
    const { namespaces: _now, ...after } = snapshot(world)
    const { namespaces: _then, ...wanted } = before
    expect(after).toEqual(wanted)
    expect(jsonOf(await sriovctl(world, ['gc', '--json']))).toEqual({ leftovers: [] })
  })

  test('--apply gives back what is recorded in a folder that a configuration chose', async () => {
    const world = makeMachine()
    const before = snapshot(world)
    await call(world, 'ADD', netConf({ ...ALL_SETTINGS, ...IPAM, cniDir: '/var/lib/cni/sriov/tenant' }))
    world.removeNetns(POD_A)
    const { exitCode, text } = await sriovctl(world, ['gc', '--apply'])
    expect([exitCode, text]).toEqual([0, expect.stringMatching(/^given back:\n {2}0000:01:10\.4/)])
    const now = snapshot(world)
    expect([now.vfs, now.leases]).toEqual([before.vfs, before.leases])
  })

  test('a PF that a dead pod had as a whole is told, too, and given back', async () => {
    const world = makeMachine()
    const before = snapshot(world)
    const { deviceID: _named, ...conf } = netConf({ master: 'ens1f0', pfOnly: true }) as Record<string, unknown>
    await call(world, 'ADD', conf)
    world.removeNetns(POD_A, 0)
    expect((await sriovctl(world, ['gc'])).text).toContain('0000:01:00.0: the pod of container pod-a')
    expect(await sriovctl(world, ['gc', '--apply'])).toMatchObject({ exitCode: 0 })
    expect(snapshot(world)).toMatchObject({ vfs: before.vfs, files: before.files })
  })

  test('has nothing to do on a healthy node', async () => {
    const world = makeMachine()
    await call(world, 'ADD', FULL)
    const now = snapshot(world)
    expect(await sriovctl(world, ['gc', '--apply'])).toEqual({ exitCode: 0, text: 'there is nothing to give back\n' })
    expect(snapshot(world)).toEqual(now)
  })
})

describe('gc leaves alone', () => {
  const SPARED: readonly (readonly [string, readonly string[], string, () => void])[] = [
    ['what the runtime has a live sandbox for', [], 'its sandbox is alive', () => void living.sandboxes.add('pod-a')],
    [
      'what kubelet has given to a pod',
      [],
      'kubelet has it for shop/cart-0',
      () => void kubeletPods.set(VF_ADDRESS, { namespace: 'shop', name: 'cart-0' }),
    ],
    ['what is young', ['--older-than', '10m'], 'its ADD began at 2026-01-01', () => undefined],
  ]

  afterEach(() => {
    living.sandboxes.clear()
    delete living.problem
    kubeletPods.clear()
  })

  test.each(SPARED)('%s', async (_, words, reason, arrange) => {
    const { world } = await deadPod()
    arrange()
    const now = snapshot(world)
    for (const more of [[], ['--apply']]) {
      const { exitCode, text } = await sriovctl(world, ['gc', ...words, ...more])
      expect(exitCode).toBe(0)
      expect(text).toMatch(/^there is nothing to give back\nleft alone:\n {2}0000:01:10\.4: /)
      expect(text).toContain(reason)
    }
    expect(snapshot(world)).toEqual(now)
  })

  test('everything while the runtime is there and does not answer, unless it is told not to ask', async () => {
    const { world, before } = await deadPod()
    const now = snapshot(world)
    living.problem = '/run/containerd/containerd.sock does not answer'
    await expect(sriovctl(world, ['gc', '--apply'])).rejects.toThrow('containerd.sock does not answer')
    expect(snapshot(world)).toEqual(now)
    expect((await sriovctl(world, ['gc', '--apply', '--without-asking'])).exitCode).toBe(0)
    expect(snapshot(world).vfs).toEqual(before.vfs)
  })

  test('nothing that is old enough, although kubelet has given its device to the next pod by now', async () => {
    const { world, before } = await deadPod({ CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0' })
    kubeletPods.set(VF_ADDRESS, { namespace: 'shop', name: 'cart-1' })
    await world.clock.sleep(11 * 60_000)
    expect((await sriovctl(world, ['gc', '--apply', '--older-than', '10m'])).text).toContain('given back:')
    expect(snapshot(world).vfs).toEqual(before.vfs)
  })
})

describe('repair', () => {
  async function lost() {
    const world = makeMachine()
    await call(world, 'ADD', netConf({ vlan: 100, trust: 'on' }))
    for (const path of [...world.files.keys()].filter((one) => one.startsWith('/var/lib/cni/sriov/'))) {
      world.files.delete(path)
    }
    const link = `net:[${world.netns(POD_A).inode}]`
    world.files.set('/proc/self/mountinfo', `39 29 0:4 ${link} ${POD_A} rw shared:9 - nsfs nsfs rw\n`)
    return world
  }

  test('brings a VF home from the namespace that has it, with the defaults of its PF', async () => {
    const world = await lost()
    const { exitCode, text } = await sriovctl(world, ['repair', VF_ADDRESS, '--yes'])
    expect(exitCode).toBe(0)
    expect(text).toMatch(/its interface came from .*, where it was net1; it is net1 now/)
    expect(text).toMatch(/its PF was told: set vlan 0 .*set trust off/)
    expect(world.vf(VF_ADDRESS).settings).toMatchObject({ vlan: 0, trust: false, spoofchk: true })
    expect(jsonOf(await sriovctl(world, ['status', '--json']))).toMatchObject({
      pfs: [{ vfs: { free: 4, leaked: 0 } }],
    })
    expect(world.openDescriptors).toBe(0)
  })

  test('leaves a VF alone that kubelet has given to a pod: another plugin may have attached it', async () => {
    const world = await lost()
    const before = snapshot(world)
    const data = { PodDeviceEntries: [{ PodUID: 'u', ResourceName: 'a/b', DeviceIDs: { '0': [VF_ADDRESS] } }] }
    world.files.set('/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint', JSON.stringify({ Data: data }))
    await expect(sriovctl(world, ['repair', VF_ADDRESS, '--yes'])).rejects.toThrow('kubelet has given 0000:01:10.4')
    expect(snapshot(world).namespaces).toEqual(before.namespaces)
  })

  test('asks first; leaves alone what somebody has by record', async () => {
    const world = await lost()
    const before = snapshot(world)
    expect(await sriovctl(world, ['repair', VF_ADDRESS])).toMatchObject({ exitCode: 1 })
    expect(snapshot(world)).toEqual(before)
    await call(world, 'ADD', netConf({ deviceID: OTHER_VF_ADDRESS }), { containerId: 'pod-b', netns: POD_B })
    await expect(sriovctl(world, ['repair', OTHER_VF_ADDRESS, '--yes'])).rejects.toThrow('sriovctl release')
    await expect(sriovctl(world, ['repair', 'nonsense', '--yes'])).rejects.toThrow('no PCI address')
  })
})

describe('release', () => {
  test.each([[[VF_ADDRESS]], [['pod-a', 'net1']]])('%j asks first, and tells that the pod is alive', async (words) => {
    const world = makeMachine()
    const before = snapshot(world)
    await call(world, 'ADD', FULL)
    const held = snapshot(world)
    const { exitCode, text } = await sriovctl(world, ['release', ...words])
    expect(exitCode).toBe(1)
    expect(text).toMatch(
      /^Give back VF 2 of ens1f0 \(0000:01:10\.4\) of container pod-a .* Its pod is alive and loses it/,
    )
    expect(snapshot(world)).toEqual(held)
    expect(await sriovctl(world, ['release', ...words, '--yes'])).toMatchObject({ exitCode: 0 })
    expect(snapshot(world)).toEqual(before)
    expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
  })

  test('of what nobody has is an error', async () => {
    await expect(sriovctl(makeMachine(), ['release', VF_ADDRESS, '--yes'])).rejects.toThrow('no attachment is recorded')
    await expect(sriovctl(makeMachine(), ['release', '../../etc', 'net1', '--yes'])).rejects.toThrow('container ID')
  })
})

test('why tells of the ADD that was refused, whatever was given back after it', async () => {
  const world = makeMachine()
  const environment = { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0' }
  await call(world, 'ADD', FULL, { environment })
  await call(world, 'ADD', FULL, { environment, containerId: 'pod-b', netns: POD_B })
  world.removeNetns(POD_A, 0)
  await sriovctl(world, ['gc', '--apply'])
  expect(await sriovctl(world, ['why', 'shop/cart-0'])).toMatchObject({
    exitCode: 1,
    text: expect.stringContaining('the last ADD for shop/cart-0 was refused'),
  })
})

test('the journal has what gc, release and repair gave back, and for whom', async () => {
  const world = makeMachine()
  const told = () =>
    journalEntries(hostOf(world).files).map(({ verb, device, containerId, error }) => [
      verb,
      device,
      containerId,
      error?.kind,
    ])
  await call(world, 'ADD', FULL)
  await sriovctl(world, ['release', VF_ADDRESS, '--yes'])
  await call(world, 'ADD', FULL)
  world.removeNetns(POD_A, 0)
  await sriovctl(world, ['gc', '--apply'])
  await sriovctl(world, ['repair', VF_ADDRESS, '--yes'])
  await sriovctl(world, ['gc', '--apply'])
  expect(told()).toEqual([
    ['ADD', VF_ADDRESS, 'pod-a', undefined],
    ['release', VF_ADDRESS, 'pod-a', undefined],
    ['ADD', VF_ADDRESS, 'pod-a', undefined],
    ['GC', VF_ADDRESS, 'pod-a', undefined],
    ['repair', VF_ADDRESS, '', undefined],
  ])
})
