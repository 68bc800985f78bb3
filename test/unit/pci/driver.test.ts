import { describe, expect, test } from 'vitest'
import {
  bindToDriver,
  deviceFilesOf,
  driverOverrideOf,
  iommuGroupOf,
  isNoIommuOn,
  isUserspaceDriver,
  rdmaDeviceOf,
} from '../../../src/pci/driver.js'
import { hostOf } from '../../fakes/call.js'
import { type Effect, everyChange, recordEffects } from '../../fakes/machine/interference.js'
import { makeMachine, OTHER_VF_ADDRESS, PF_ADDRESS, VF_ADDRESS } from '../../fakes/machine/machine.js'

const DEVICE = `/sys/bus/pci/devices/${VF_ADDRESS}`
const GROUP = 99

/** A machine, its files, and what was written to them. */
function prepared() {
  const world = makeMachine()
  const effects: Effect[] = []
  const { files } = hostOf(world, recordEffects(everyChange, effects))
  return { world, files, written: () => effects.map(({ what }) => what.replace(/^write attribute /, '')) }
}

function sharedGroup(world: ReturnType<typeof makeMachine>, ...members: string[]): void {
  world.iommuGroups.clear()
  world.iommuGroups.set(GROUP, [VF_ADDRESS, ...members])
}

describe('bindToDriver()', () => {
  test('names the driver first, then unbinds and probes; the override stays', async () => {
    const { world, files, written } = prepared()
    await bindToDriver(files, VF_ADDRESS, 'vfio-pci')
    expect(world.vf(VF_ADDRESS)).toMatchObject({ driver: 'vfio-pci', driverOverride: 'vfio-pci' })
    expect(written()).toEqual([`${DEVICE}/driver_override`, `${DEVICE}/driver/unbind`, '/sys/bus/pci/drivers_probe'])
  })

  test('does not unbind a function that has no driver', async () => {
    const { world, files, written } = prepared()
    world.vf(VF_ADDRESS).driver = undefined
    await bindToDriver(files, VF_ADDRESS, 'vfio-pci')
    expect(world.vf(VF_ADDRESS).driver).toBe('vfio-pci')
    expect(written()).not.toContain(`${DEVICE}/driver/unbind`)
  })

  test('to none unbinds and asks no driver', async () => {
    const { world, files, written } = prepared()
    await bindToDriver(files, VF_ADDRESS, '')
    expect(world.vf(VF_ADDRESS).driver).toBeUndefined()
    expect(written()).toEqual([`${DEVICE}/driver/unbind`])
    await bindToDriver(files, VF_ADDRESS, '')
    expect(written()).toHaveLength(1)
  })
})

test('driverOverrideOf() reads "(null)", an empty line and a missing attribute as none', () => {
  const { world, files } = prepared()
  expect(driverOverrideOf(files, VF_ADDRESS)).toBe('')
  world.vf(VF_ADDRESS).driverOverride = 'vfio-pci'
  expect(driverOverrideOf(files, VF_ADDRESS)).toBe('vfio-pci')
  world.files.set(`${DEVICE}/driver_override`, '\n')
  expect(driverOverrideOf(files, VF_ADDRESS)).toBe('')
  expect(driverOverrideOf(files, '0000:ff:00.0')).toBe('')
})

describe('iommuGroupOf()', () => {
  test('is undefined where the IOMMU is off', () => {
    const { world, files } = prepared()
    world.iommuGroups.clear()
    expect(iommuGroupOf(files, VF_ADDRESS)).toBeUndefined()
  })

  test('names the others that a driver has, and leaves out the idle, the bridges and those on vfio', () => {
    const { world, files } = prepared()
    sharedGroup(world, OTHER_VF_ADDRESS, PF_ADDRESS)
    const pf = { address: PF_ADDRESS, driver: 'able' }
    expect(iommuGroupOf(files, VF_ADDRESS)).toEqual({
      number: String(GROUP),
      isShared: true,
      strangers: [{ address: OTHER_VF_ADDRESS, driver: 'ablevf' }, pf],
    })
    for (const driver of ['vfio-pci', 'pci-stub', 'pcieport', undefined]) {
      world.vf(OTHER_VF_ADDRESS).driver = driver
      expect(iommuGroupOf(files, VF_ADDRESS)?.strangers).toEqual([pf])
    }
  })
})

describe('deviceFilesOf()', () => {
  test('has the vfio group of its own, but not one that is shared', () => {
    const { world, files } = prepared()
    sharedGroup(world)
    expect(deviceFilesOf(files, VF_ADDRESS)).toEqual([`/dev/vfio/${GROUP}`, `/dev/vfio/noiommu-${GROUP}`])
    sharedGroup(world, OTHER_VF_ADDRESS)
    expect(deviceFilesOf(files, VF_ADDRESS)).toEqual([])
  })

  test('has the vfio device and the uio of the function', () => {
    const { world, files } = prepared()
    world.iommuGroups.clear()
    world.folders.add(`${DEVICE}/vfio-dev/vfio3`).add(`${DEVICE}/uio/uio1`)
    expect(deviceFilesOf(files, VF_ADDRESS)).toEqual(['/dev/vfio/devices/vfio3', '/dev/uio1'])
  })
})

test('isNoIommuOn() wants the parameter of vfio to say Y', () => {
  const { world, files } = prepared()
  expect(isNoIommuOn(files)).toBe(false)
  for (const [text, is] of [
    ['N\n', false],
    ['Y\n', true],
  ] as const) {
    world.files.set('/sys/module/vfio/parameters/enable_unsafe_noiommu_mode', text)
    expect(isNoIommuOn(files)).toBe(is)
  }
})

test('rdmaDeviceOf() is the RDMA device of the function, where it has one', () => {
  const { world, files } = prepared()
  expect(rdmaDeviceOf(files, VF_ADDRESS)).toBeUndefined()
  world.folders.add(`${DEVICE}/infiniband/mlx5_3`)
  expect(rdmaDeviceOf(files, VF_ADDRESS)).toBe('mlx5_3')
})

test('isUserspaceDriver() knows the three that DPDK uses', () => {
  expect(['vfio-pci', 'uio_pci_generic', 'igb_uio', 'igbvf', ''].filter(isUserspaceDriver)).toEqual([
    'vfio-pci',
    'uio_pci_generic',
    'igb_uio',
  ])
})
