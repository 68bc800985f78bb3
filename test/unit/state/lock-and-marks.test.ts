import { describe, expect, test } from 'vitest'
import { withFreeVfLock, withVfLock } from '../../../src/state/lock.js'
import { readMark, removeMark, writeMark } from '../../../src/state/marks.js'
import { callHostAs, hostOf } from '../../fakes/call.js'
import { makeMachine, VF_ADDRESS } from '../../fakes/machine/machine.js'

const CNI_DIR = '/var/lib/cni/sriov'
const LOCK = `${CNI_DIR}/pci/vf_lock/${VF_ADDRESS}.lock`

describe('withVfLock()', () => {
  test('holds the lock while the work runs, and gives it up when that fails', async () => {
    const world = makeMachine()
    const work = async () => {
      expect([...world.locks]).toEqual([LOCK])
      throw new Error('failed')
    }
    await expect(withVfLock(callHostAs(world, {}), VF_ADDRESS, work)).rejects.toThrow('failed')
    expect(world.locks.size).toBe(0)
  })

  test('waits for the holder', async () => {
    const world = makeMachine()
    world.locks.add(LOCK)
    world.clock.after(30_000, () => world.locks.delete(LOCK))
    expect(await withVfLock(callHostAs(world, {}), VF_ADDRESS, async () => 'done')).toBe('done')
    expect(world.clock.nowMs()).toBeGreaterThanOrEqual(30_000)
    expect(world.clock.nowMs()).toBeLessThan(30_100)
  })

  test('gives up after 60 s, naming the VF and the process that has it', async () => {
    const world = makeMachine()
    world.locks.add(LOCK)
    world.symlinks.set('/proc/4711/fd/7', LOCK)
    world.files.set('/proc/4711/fdinfo/7', 'pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 4700 00:2d:99 0 EOF\n')
    world.files.set('/proc/4711/comm', 'dhcp\n')
    world.symlinks.set('/proc/4712/fd/7', LOCK)
    world.files.set('/proc/4712/fdinfo/7', 'pos:\t0\n')
    const waiting = withVfLock(callHostAs(world, {}), VF_ADDRESS, async () => undefined)
    await expect(waiting).rejects.toMatchObject({ fault: { kind: 'tryAgain' } })
    await expect(waiting).rejects.toThrow(/VF 0000:01:10\.4 .* 60 s by process 4711 \(dhcp\);/)
    expect(world.clock.nowMs()).toBeLessThan(60_100)
  })

  test('says so when it cannot see the holder', async () => {
    const world = makeMachine()
    world.locks.add(LOCK)
    const waiting = withVfLock(callHostAs(world, {}), VF_ADDRESS, async () => undefined)
    await expect(waiting).rejects.toThrow('a process that cannot be seen from here')
  })
})

describe('withFreeVfLock()', () => {
  test('does nothing while somebody has the VF', async () => {
    const world = makeMachine()
    world.locks.add(LOCK)
    let isDone = false
    await withFreeVfLock(hostOf(world), VF_ADDRESS, async () => {
      isDone = true
    })
    expect(isDone).toBe(false)
  })
})

describe('marks', () => {
  test('are the path of the namespace and nothing else', () => {
    const world = makeMachine()
    const { files } = hostOf(world)
    writeMark(files, VF_ADDRESS, '/run/netns/a')
    expect(world.files.get(`${CNI_DIR}/pci/${VF_ADDRESS}`)).toBe('/run/netns/a')
    expect(readMark(files, VF_ADDRESS)).toBe('/run/netns/a')
  })

  test('of somebody else are not removed', () => {
    const { files } = hostOf(makeMachine())
    writeMark(files, VF_ADDRESS, '/run/netns/a')
    removeMark(files, VF_ADDRESS, '/run/netns/b')
    expect(readMark(files, VF_ADDRESS)).toBe('/run/netns/a')
    removeMark(files, VF_ADDRESS, '/run/netns/a')
    expect(readMark(files, VF_ADDRESS)).toBeUndefined()
  })

  test('that are empty are nobody’s, and go with the next user', () => {
    const world = makeMachine()
    const { files } = hostOf(world)
    world.files.set(`${CNI_DIR}/pci/${VF_ADDRESS}`, '\n')
    expect(readMark(files, VF_ADDRESS)).toBe('')
    removeMark(files, VF_ADDRESS, '/run/netns/a')
    expect(readMark(files, VF_ADDRESS)).toBeUndefined()
  })
})
