import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { failingAt } from '../../fakes/ipam.js'
import { killAt } from '../../fakes/machine/interference.js'
import { IPAM_PATH, makeMachine, PF, POD_B, VF_ADDRESS, VF_INDEX } from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'
import { IPAM } from '../../fakes/scenarios.js'

const VFIO = { dpdk_driver: 'vfio-pci' }
const { deviceID: _deviceID, ...OPEN } = netConf() as Record<string, unknown>

/** A virtual machine of the node has the VF. */
function openByQemu(world: FakeWorld): void {
  giveTo(world, VF_ADDRESS, 'vfio-pci')
  world.symlinks.set('/proc/4711/fd/9', `/dev/vfio/${VF_INDEX + 20}`)
  world.files.set('/proc/4711/comm', 'qemu-system-x86\n')
}

describe('a VF that a program has which is no pod', () => {
  test.each([{}, { dpdk: VFIO }])('is refused by its address, with %j', async (keys) => {
    const world = makeMachine()
    openByQemu(world)
    const before = snapshot(world)
    const answer = await call(world, 'ADD', netConf({ vlan: 5, ...keys }))
    expect([codeOf(answer), messageOf(answer)]).toEqual([
      102,
      expect.stringContaining('is in use by process 4711 (qemu-system-x86)'),
    ])
    expect(snapshot(world)).toEqual(before)
  })

  test('is passed over by a search', async () => {
    const world = makeMachine()
    openByQemu(world)
    const only = { selectors: { pfNames: [`${PF}#${VF_INDEX}`] }, dpdk: VFIO }
    const answer = await call(world, 'ADD', { ...OPEN, ...only })
    expect([codeOf(answer), messageOf(answer)]).toEqual([11, expect.stringContaining('process 4711 (qemu-system-x86)')])
    expect(codeOf(await call(world, 'ADD', { ...OPEN, selectors: { pfNames: [PF] }, dpdk: VFIO }))).toBeUndefined()
    expect(world.vf(VF_ADDRESS).driver).toBe('vfio-pci')
  })

  test('is not unbound from a driver that is in no list', async () => {
    const world = makeMachine()
    world.pciDrivers.set('my_uio', { makesNetdev: false })
    setPolicy(world, { dpdkDrivers: ['my_uio'] })
    const conf = netConf({ dpdk: { dpdk_driver: 'my_uio' } })
    await call(world, 'ADD', conf)
    world.symlinks.set('/proc/4711/fd/9', `/dev/vfio/${VF_INDEX + 20}`)
    world.openFunctions.add(VF_ADDRESS)
    expect(messageOf(await call(world, 'DEL', conf))).toContain('still used by process 4711')
    expect(world.vf(VF_ADDRESS).driver).toBe('my_uio')
  })
})

describe('an ADD that fails or dies gives the VF to the driver it had, not to kernel_driver', () => {
  const conf = netConf({ dpdk: { ...VFIO, kernel_driver: 'ablevf' }, ...IPAM })

  function found(): FakeWorld {
    const world = makeMachine()
    giveTo(world, VF_ADDRESS, 'vfio-pci')
    return world
  }

  test('when the IPAM plugin fails', async () => {
    const world = found()
    world.programs.set(IPAM_PATH, failingAt('ADD', { code: 11, msg: 'no address' }))
    const before = snapshot(world)
    expect(codeOf(await call(world, 'ADD', conf))).toBe(11)
    expect(snapshot(world)).toEqual(before)
  })

  test('when it was killed; DEL after an ADD that was through gives it to kernel_driver', async () => {
    const world = found()
    const before = snapshot(world)
    await call(world, 'ADD', conf, { interfere: killAt(({ what }) => what.startsWith('write '), 0, 'after') })
    expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
    await call(world, 'ADD', conf)
    expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
    expect(world.vf(VF_ADDRESS).driver).toBe('ablevf')
  })

  test('but one that was through, and whose record was lost, counts as through', async () => {
    const world = found()
    await call(world, 'ADD', conf)
    world.files.delete('/var/lib/cni/sriov/pod-a-net1')
    expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
    expect(world.vf(VF_ADDRESS).driver).toBe('ablevf')
  })
})

describe('a kernel_driver that would keep the VF for ever is refused by ADD', () => {
  test.each([
    ['vfio-pci', 7, 'dpdk.kernel_driver: vfio-pci is no driver that gives a VF an interface'],
    ['uio_pci_generic', 7, 'dpdk.kernel_driver: uio_pci_generic is no driver'],
    ['nosuchvf', 101, 'dpdk.kernel_driver: the driver nosuchvf is not loaded (there is no modprobe here)'],
  ])('%s', async (kernel_driver, code, message) => {
    const world = makeMachine()
    setPolicy(world, { kernelDrivers: [kernel_driver] })
    const before = snapshot(world)
    const answer = await call(world, 'ADD', netConf({ dpdk: { ...VFIO, kernel_driver } }))
    expect([codeOf(answer), messageOf(answer)]).toEqual([code, expect.stringContaining(message)])
    expect(snapshot(world)).toEqual(before)
  })
})

test('DEL succeeds when a VF that was on vfio-pci before is gone with its PF', async () => {
  const world = makeMachine()
  giveTo(world, VF_ADDRESS, 'vfio-pci')
  await call(world, 'ADD', netConf({ vlan: 5 }))
  world.cards.splice(0)
  expect(documentOf(await call(world, 'DEL', netConf({ vlan: 5 })))).toBeUndefined()
})

test('a DEL that resets and is killed leaves no override to the next', async () => {
  const conf = netConf({ flr: true })
  for (let at = 0; at < 5; at += 1) {
    const world = makeMachine()
    const before = snapshot(world)
    await call(world, 'ADD', conf)
    const interfere = killAt(({ what }) => what.startsWith('write attribute'), at, 'after')
    await call(world, 'DEL', conf, { interfere })
    expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  }
})

test('the driver that a VF has is better than none: it stays while the other is not loaded', async () => {
  const world = makeMachine()
  const conf = netConf({ dpdk: VFIO })
  await call(world, 'ADD', conf)
  world.pciDrivers.delete('ablevf')
  expect(messageOf(await call(world, 'DEL', conf))).toContain('the driver ablevf is not loaded (there is no modprobe')
  expect(world.vf(VF_ADDRESS).driver).toBe('vfio-pci')
  expect(codeOf(await call(world, 'ADD', conf, { containerId: 'pod-b', netns: POD_B }))).toBe(109)
})

test('flr and dpdk do not go with a PF, and their keys are suggested', async () => {
  const world = makeMachine()
  const answer = await call(world, 'ADD', { ...OPEN, master: PF, pfOnly: true, flr: true, dpdk: VFIO })
  expect(messageOf(answer)).toMatch(/dpdk: cannot stand beside pfOnly.*flr: cannot stand beside pfOnly|flr: .*dpdk: /)
  await call(world, 'ADD', netConf({ dpdk: { ...VFIO, dpdk_tools: '/x' } }))
  expect(world.log.join('\n')).toContain('unknown key "dpdk.dpdk_tools" is ignored; did you mean "dpdk.dpdk_tool"?')
})
