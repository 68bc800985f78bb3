import { describe, expect, test } from 'vitest'
import { call, messageOf, netConf } from '../../fakes/call.js'
import { igbDriver } from '../../fakes/machine/card.js'
import type { Interference } from '../../fakes/machine/interference.js'
import { DEVBIND_PATH, makeMachine, POD_A, POD_B, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { BOOT_ID_PATH, type FakeWorld } from '../../fakes/machine/world.js'

const RECORD = '/var/lib/cni/sriov/pod-a-net1'
const AS_B = { containerId: 'pod-b', netns: POD_B }
const DPDK = { dpdk_driver: 'vfio-pci' }
const TOOL = { dpdk_tool: DEVBIND_PATH }
const CONF = netConf({ dpdk: DPDK })

const ok = async (world: FakeWorld, verb: string, conf: object = CONF, options = {}) =>
  expect(messageOf(await call(world, verb, conf, options))).toBe('')

/** What a driver makes anew must be as it was. */
function seasoned() {
  const world = makeMachine()
  Object.assign(world.link(world.host, VF_NAME), {
    mtu: 1400,
    isUp: true,
    altNames: ['enp1s0f0v2', 'blue'],
    mac: '02:00:00:00:00:66',
  })
  world.pciDrivers.set('igb_uio', { makesNetdev: false })
  return world
}

const resetsOf = (world: FakeWorld): number => world.vf(VF_ADDRESS).resets ?? 0

describe.each([
  ['sysfs', {}],
  ['its tool', TOOL],
  ['sysfs, with kernel_driver', { kernel_driver: 'ablevf' }],
  ['its tool, with kernel_driver', { ...TOOL, kernel_driver: 'ablevf' }],
])('dpdk by %s', (_how, keys) => {
  const conf = netConf({ dpdk: { ...DPDK, ...keys }, vlan: 100 })

  test('has the driver for the life of the pod; then the interface is as it was', async () => {
    const world = seasoned()
    const before = snapshot(world)
    await ok(world, 'ADD', conf)
    expect(world.vf(VF_ADDRESS)).toMatchObject({ driver: 'vfio-pci', settings: { vlan: 100 } })
    expect(world.vf(VF_ADDRESS).driverOverride || '').toBe('')
    expect(world.host.links.filter(({ parentDevice }) => parentDevice === VF_ADDRESS)).toEqual([])
    await ok(world, 'CHECK', conf)
    await ok(world, 'DEL', conf)
    expect(snapshot(world)).toEqual(before)
  })

  test('gives the override of the administrator back', async () => {
    const world = seasoned()
    world.vf(VF_ADDRESS).driverOverride = 'ablevf'
    const before = snapshot(world)
    await ok(world, 'ADD', conf)
    expect(world.vf(VF_ADDRESS)).toMatchObject({ driver: 'vfio-pci', driverOverride: 'ablevf' })
    await ok(world, 'DEL', conf)
    expect(snapshot(world)).toEqual(before)
  })

  test('ends with DEL without a namespace, with GC, and with the next ADD when the pod has died', async () => {
    for (const [verb, withConf, options] of [
      ['DEL', conf, { netns: '' }],
      ['GC', { ...conf, 'cni.dev/valid-attachments': [] }, {}],
      ['GC', conf, {}],
      ['ADD', netConf(), AS_B],
    ] as const) {
      const [world, untouched] = [seasoned(), seasoned()]
      await ok(world, 'ADD', conf)
      for (const one of [world, untouched]) {
        one.removeNetns(POD_A)
      }
      await ok(world, verb, withConf, options)
      if (verb === 'ADD') {
        expect(world.link(world.netns(POD_B), 'net1')).toMatchObject({ parentDevice: VF_ADDRESS, mtu: 1400 })
        await ok(world, 'DEL', netConf(), AS_B)
      }
      expect(snapshot(world)).toEqual(snapshot(untouched))
    }
  })

  test('ends with DEL twice, and with one after another boot', async () => {
    const world = seasoned()
    const before = snapshot(world)
    await ok(world, 'ADD', conf)
    await ok(world, 'DEL', conf)
    await ok(world, 'DEL', conf)
    expect(snapshot(world)).toEqual(before)
    await ok(world, 'ADD', conf)
    world.files.set(BOOT_ID_PATH, 'boot-2\n')
    world.vf(VF_ADDRESS).driver = 'ablevf'
    await ok(world, 'DEL', conf, { netns: '' })
    expect(world.files.has(RECORD)).toBe(false)
  })
})

test('dpdk goes from one driver of user space to another, and back', async () => {
  const world = seasoned()
  giveTo(world, VF_ADDRESS, 'igb_uio')
  const before = snapshot(world)
  await ok(world, 'ADD')
  expect(world.vf(VF_ADDRESS).driver).toBe('vfio-pci')
  await ok(world, 'DEL')
  expect(snapshot(world)).toEqual(before)
})

test('dpdk clears an override that a killed call of ours has left', async () => {
  const world = seasoned()
  const before = snapshot(world)
  await ok(world, 'ADD')
  world.vf(VF_ADDRESS).driverOverride = 'vfio-pci'
  await ok(world, 'DEL')
  expect(snapshot(world)).toEqual(before)
})

test.each([
  ['sysfs', {}],
  ['its tool', TOOL],
])('dpdk by %s leaves a VF without a driver when it had none', async (_how, keys) => {
  const world = seasoned()
  giveTo(world, VF_ADDRESS, undefined)
  const before = snapshot(world)
  const conf = netConf({ dpdk: { ...DPDK, ...keys } })
  await ok(world, 'ADD', conf)
  expect(world.vf(VF_ADDRESS).driver).toBe('vfio-pci')
  await ok(world, 'DEL', conf)
  expect(snapshot(world)).toEqual(before)
})

test('dpdk gives a VF to kernel_driver on DEL when it was found on vfio-pci', async () => {
  const world = seasoned()
  giveTo(world, VF_ADDRESS, 'vfio-pci')
  const conf = netConf({ dpdk: { ...DPDK, kernel_driver: 'ablevf' } })
  await ok(world, 'ADD', conf)
  await ok(world, 'DEL', conf)
  expect(world.vf(VF_ADDRESS).driver).toBe('ablevf')
})

test('dpdk loads the driver that gives the interface when it is not loaded any more', async () => {
  const world = makeMachine(igbDriver)
  const before = snapshot(world)
  await ok(world, 'ADD')
  world.pciDrivers.delete('igbvf')
  world.programs.set('/sbin/modprobe', ({ args }, { pciDrivers }) => {
    pciDrivers.set(args[0] ?? '', { makesNetdev: true })
    return { status: 0, stdout: '' }
  })
  await ok(world, 'DEL')
  expect(snapshot(world)).toEqual(before)
})

describe('an interface in a pod', () => {
  test.each([
    ['', ''],
    ['under an override', 'vfio-pci'],
  ])('is given back when somebody has bound its VF to vfio-pci meanwhile %s', async (_how, driverOverride) => {
    const world = seasoned()
    const before = snapshot(world)
    await ok(world, 'ADD', netConf({ vlan: 100 }))
    giveTo(world, VF_ADDRESS, 'vfio-pci')
    world.vf(VF_ADDRESS).driverOverride = driverOverride
    await ok(world, 'DEL', netConf({ vlan: 100 }))
    expect(world.vf(VF_ADDRESS).driverOverride ?? '').toBe('')
    world.vf(VF_ADDRESS).driverOverride = ''
    expect(snapshot(world)).toEqual(before)
  })

  test('is given back when somebody has unbound its VF meanwhile', async () => {
    const world = seasoned()
    const before = snapshot(world)
    await ok(world, 'ADD', netConf())
    giveTo(world, VF_ADDRESS, undefined)
    await ok(world, 'DEL', netConf())
    expect(snapshot(world)).toEqual(before)
  })
})

describe('flr', () => {
  const KINDS = [
    ['an interface', {}, undefined],
    ['dpdk by sysfs', { dpdk: DPDK }, undefined],
    ['dpdk by its tool', { dpdk: { ...DPDK, ...TOOL } }, undefined],
    ['a VF that is found on vfio-pci', {}, 'vfio-pci'],
  ] as const

  test.each(KINDS)('resets %s exactly once, on release', async (_kind, keys, driver) => {
    const world = seasoned()
    if (driver !== undefined) {
      giveTo(world, VF_ADDRESS, driver)
    }
    const before = snapshot(world)
    const conf = netConf({ ...keys, flr: true })
    await ok(world, 'ADD', conf)
    expect(resetsOf(world)).toBe(0)
    await ok(world, 'DEL', conf)
    expect(resetsOf(world)).toBe(1)
    expect(snapshot(world)).toEqual(before)
    await ok(world, 'DEL', conf)
    expect(resetsOf(world)).toBe(1)
  })

  test.each(KINDS)('that fails, or is not offered, does not keep %s', async (_kind, keys, driver) => {
    for (const isOffered of [true, false]) {
      const world = seasoned()
      if (driver !== undefined) {
        giveTo(world, VF_ADDRESS, driver)
      }
      const reset = `/sys/bus/pci/devices/${VF_ADDRESS}/reset`
      if (!isOffered) {
        world.symlinks.set(reset, '')
      }
      const interfere: Interference = (effect, work, refuse) =>
        effect.what === `write attribute ${reset}` ? refuse('ENOTTY') : work()
      const before = snapshot(world)
      const conf = netConf({ ...keys, flr: true })
      await ok(world, 'ADD', conf)
      await ok(world, 'DEL', conf, { interfere })
      expect(resetsOf(world)).toBe(0)
      expect(snapshot(world)).toEqual(before)
      expect(world.log.join('\n')).toMatch(/warning: flr: /)
    }
  })

  test('resets when somebody has bound the VF of an interface to vfio-pci meanwhile, once', async () => {
    const world = seasoned()
    const before = snapshot(world)
    await ok(world, 'ADD', netConf({ flr: true }))
    giveTo(world, VF_ADDRESS, 'vfio-pci')
    await ok(world, 'DEL', netConf({ flr: true }))
    expect(resetsOf(world)).toBe(1)
    expect(snapshot(world)).toEqual(before)
  })

  test('false, or absent, resets nothing', async () => {
    for (const keys of [{}, { flr: false }]) {
      const world = seasoned()
      await ok(world, 'ADD', netConf({ ...keys, dpdk: DPDK }))
      await ok(world, 'DEL', netConf({ ...keys, dpdk: DPDK }))
      expect(resetsOf(world)).toBe(0)
    }
  })
})
