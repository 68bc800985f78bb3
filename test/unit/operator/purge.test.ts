import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { call, netConf } from '../../fakes/call.js'
import { makeMachine, POD_A, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { devicePlugin, resident, sriovctl } from './operator.js'

const NODE = '/var/lib/cni/sriov'
const DEVICE_INFO = '/run/k8s.cni.cncf.io/devinfo/dp'

beforeEach(() => {
  resident.is = { reaction: 'absent' }
  devicePlugin.is = 'absent'
})
afterEach(() => {
  resident.is = { reaction: 'answered' }
  devicePlugin.is = 'answered'
})

/** A node that had a pod. */
async function used() {
  const world = makeMachine()
  await call(world, 'ADD', netConf())
  return world
}

describe('purge', () => {
  test('tells what it would remove, removes it, and then there is nothing', async () => {
    const world = await used()
    await call(world, 'DEL', netConf())
    world.files.set(`${NODE}/.promises/0000:01:10.0`, '{"resource":"example.com/sriov","since":"2026-01-01T00:00:00Z"}')
    world.files.set(`${DEVICE_INFO}/example.com-sriov-0000:01:10.0-device.json`, '{}')
    world.files.set(`${DEVICE_INFO}/other.org-gpu-0000:05:00.0-device.json`, '{}')
    world.folders.add('/var/lib/sriov-cni')
    world.files.set('/var/lib/sriov-cni/policy.json', '{}')
    const told = await sriovctl(world, ['purge'])
    expect(told.exitCode).toBe(0)
    expect(told.text.trim().split('\n')).toEqual(
      expect.arrayContaining([
        `${DEVICE_INFO}/example.com-sriov-0000:01:10.0-device.json`,
        `${NODE}/.journal`,
        `${NODE}/.promises`,
        '/var/lib/sriov-cni',
      ]),
    )
    const before = new Map(world.files)
    expect(before.has('/var/lib/sriov-cni/policy.json')).toBe(true)
    expect(await sriovctl(world, ['purge', '--apply'])).toEqual(told)
    expect([...world.files.keys()].filter((path) => /sriov|devinfo/.test(path) && !path.startsWith('/sys'))).toEqual([
      `${DEVICE_INFO}/other.org-gpu-0000:05:00.0-device.json`,
    ])
    expect(await sriovctl(world, ['purge'])).toEqual({ exitCode: 0, text: 'there is nothing to remove\n' })
  })

  test('removes nothing while a pod has a VF, or one is not given back', async () => {
    const world = await used()
    const before = new Map(world.files)
    const refused = { exitCode: 1, text: 'nothing is removed: 1 device is in use, or not given back\n' }
    expect(await sriovctl(world, ['purge', '--apply'])).toEqual(refused)
    world.removeNetns(POD_A, 0)
    expect(await sriovctl(world, ['purge', '--apply'])).toEqual(refused)
    expect(world.files).toEqual(before)
  })

  test.each([
    ['resident process', () => (resident.is = { reaction: 'hung' })],
    ['device plugin', () => (devicePlugin.is = 'answered')],
  ])('removes nothing while the %s is at work', async (name, begin) => {
    begin()
    expect(await sriovctl(makeMachine(), ['purge', '--apply'])).toEqual({
      exitCode: 1,
      text: `nothing is removed: the ${name} is at work\n`,
    })
  })

  test('removes nothing while a call is at work that no record tells of yet', async () => {
    const world = await used()
    await call(world, 'DEL', netConf())
    const before = new Map(world.files)
    const lock = `${NODE}/pci/vf_lock/${VF_ADDRESS}.lock`
    world.files.set(lock, '')
    world.locks.add(lock)
    const { exitCode, text } = await sriovctl(world, ['purge', '--apply'])
    expect(exitCode).toBe(1)
    expect(text).toContain(`a call is at work: ${lock} is held by`)
    world.files.delete(lock)
    expect(world.files).toEqual(before)
  })

  test('leaves the records and marks of the Go sriov-cni', async () => {
    const world = await used()
    await call(world, 'DEL', netConf())
    world.files.set(`${NODE}/pci/0000:02:10.0`, '/run/netns/gone')
    world.files.set(`${NODE}/abc-net1`, '{}')
    expect((await sriovctl(world, ['purge', '--apply'])).exitCode).toBe(0)
    expect(world.files.has(`${NODE}/pci/0000:02:10.0`)).toBe(true)
    expect(world.files.has(`${NODE}/abc-net1`)).toBe(true)
  })
})
