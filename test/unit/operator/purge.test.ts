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
    world.files.set(`${NODE}/.promises/0000:01:10.0`, '{"resource":"example.com/sriov","since":"2025-01-01T00:00:00Z"}')
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
    const refused = (why: string) => ({
      exitCode: 1,
      text: expect.stringMatching(
        new RegExp(`^nothing is removed: 1 device is in use, or not given back: ${VF_ADDRESS} \\(${why}`),
      ),
    })
    expect(await sriovctl(world, ['purge', '--apply'])).toEqual(refused('container pod-a interface net1 .* has it'))
    world.removeNetns(POD_A, 0)
    expect(await sriovctl(world, ['purge', '--apply'])).toEqual(refused('the pod of container pod-a .* is gone'))
    expect(world.files).toEqual(before)
  })

  test('removes nothing while the attachment of a device is recorded that is not there any more', async () => {
    const world = await used()
    const before = new Map(world.files)
    for (const card of world.cards) {
      card.vfs.length = 0
    }
    expect(await sriovctl(world, ['purge', '--apply'])).toEqual({
      exitCode: 1,
      text: expect.stringContaining(`${VF_ADDRESS} (it is not there any more, and its attachment is recorded)`),
    })
    expect(world.files).toEqual(before)
  })

  test('removes nothing while kubelet has just given a VF to a pod', async () => {
    const world = makeMachine()
    const since = new Date(world.clock.dateMs()).toISOString()
    world.folders.add(`${NODE}/.promises`)
    world.files.set(`${NODE}/.promises/${VF_ADDRESS}`, JSON.stringify({ resource: 'example.com/sriov', since }))
    expect((await sriovctl(world, ['purge', '--apply'])).text).toContain(`${VF_ADDRESS} (kubelet has just given it`)
  })

  test('does not wait for a VF that is only out of order', async () => {
    const world = await used()
    await call(world, 'DEL', netConf())
    world.vf(VF_ADDRESS).settings.vlan = 7
    expect((await sriovctl(world, ['purge', '--apply'])).exitCode).toBe(0)
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
