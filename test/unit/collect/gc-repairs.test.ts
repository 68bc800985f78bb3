import { describe, expect, test } from 'vitest'
import { JOURNAL } from '../../../src/state/journal.js'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { failingAt, leaseProgram } from '../../fakes/ipam.js'
import { everyChange, killAt, refuseAt } from '../../fakes/machine/interference.js'
import {
  IPAM_PATH,
  makeMachine,
  OTHER_VF_ADDRESS,
  POD_A,
  POD_B,
  VF_ADDRESS,
  VF_INDEX,
} from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { BOOT_ID_PATH } from '../../fakes/machine/world.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const FULL = netConf({ ...ALL_SETTINGS, ...IPAM })
const KNOWN = { 'cni.dev/valid-attachments': [{ containerID: 'pod-a', ifname: 'net1' }] }
/** A GC of a network that has nothing to do with the attachments. */
const ELSEWHERE = { ...netConf(), name: 'another-net', 'cni.dev/valid-attachments': [] }
const LOCK = `/var/lib/cni/sriov/pci/vf_lock/${VF_ADDRESS}.lock`
const MARK = `/var/lib/cni/sriov/pci/${VF_ADDRESS}`

/** Somewhere in the middle of an ADD, with the VF in the pod. */
const IN_THE_MIDDLE = 9

async function killedAdd() {
  const world = makeMachine()
  const before = snapshot(world)
  await call(world, 'ADD', FULL, { interfere: killAt(everyChange, IN_THE_MIDDLE, 'after') })
  expect(snapshot(world)).not.toEqual(before)
  return { world, before }
}

/** Where an ADD of pod-a wrote its intent when the power was cut: both names of it are there, and its text is not. */
const TORN = ['/var/lib/cni/sriov/pod-a-net1', `/var/lib/cni/sriov/.vf-${VF_ADDRESS}`]

describe('an intent that a power cut left empty', () => {
  const torn = () => {
    const world = makeMachine()
    for (const path of TORN) {
      world.folders.add('/var/lib/cni/sriov')
      world.files.set(path, '')
    }
    return world
  }

  test.each([
    ['GC', ELSEWHERE],
    ['DEL', netConf()],
  ])('is gone after a %s, with nothing put aside', async (verb, conf) => {
    const world = torn()
    expect(codeOf(await call(world, verb, conf))).toBeUndefined()
    await call(world, 'GC', ELSEWHERE)
    expect([...world.files.keys()].filter((path) => TORN.includes(path) || path.includes('.unreadable'))).toEqual([])
  })

  test('is told apart from a file that another plugin is writing now, and a refusal stops nothing', async () => {
    const world = torn()
    const [record = ''] = TORN
    world.changedMs.set(record, Date.parse('2026-01-01'))
    await call(world, 'GC', ELSEWHERE)
    expect(world.files.has(record)).toBe(true)
    world.changedMs.clear()
    const refused = refuseAt(({ what }) => what === `remove ${record}`, 0, 'EROFS')
    const answer = await call(world, 'GC', ELSEWHERE, { interfere: refused })
    expect(messageOf(answer)).toContain(record)
    expect(codeOf(await call(world, 'GC', ELSEWHERE))).toBeUndefined()
    expect(world.files.has(record)).toBe(false)
  })

  test('is told apart from an empty file that is no record', async () => {
    const world = torn()
    const others = ['/var/lib/cni/sriov/lock', '/srv/cni/pod-a-net1']
    world.folders.add('/srv/cni')
    for (const path of others) {
      world.files.set(path, '')
    }
    await call(world, 'GC', ELSEWHERE)
    expect(others.filter((path) => world.files.has(path))).toEqual(others)
  })

  test.each([['pod-a'], ['pod-b']])('keeps no ADD of %s from the VF', async (containerId) => {
    const world = torn()
    expect(messageOf(await call(world, 'ADD', FULL, { containerId }))).toBe('')
    expect([...world.files.keys()].filter((path) => path.includes('.unreadable'))).toEqual([])
  })
})

describe('GC of any network', () => {
  test('undoes an ADD that died, although the runtime may list it', async () => {
    const { world, before } = await killedAdd()
    expect(codeOf(await call(world, 'GC', { ...FULL, ...KNOWN }))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('undoes an ADD of another network that died', async () => {
    const { world, before } = await killedAdd()
    expect(codeOf(await call(world, 'GC', ELSEWHERE))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('leaves an ADD alone that is at work', async () => {
    const { world } = await killedAdd()
    world.locks.add(LOCK)
    const middle = snapshot(world)
    expect(codeOf(await call(world, 'GC', { ...FULL, 'cni.dev/valid-attachments': [] }))).toBeUndefined()
    expect(snapshot(world)).toEqual(middle)
    expect(world.clock.nowMs()).toBeLessThan(10_000)
  })

  test('frees the lease and forgets what another boot left, whatever the network', async () => {
    const world = makeMachine()
    await call(world, 'ADD', FULL)
    world.removeNetns(POD_A)
    world.files.set(BOOT_ID_PATH, 'boot-2\n')
    const { vfs } = snapshot(world)
    expect(codeOf(await call(world, 'GC', ELSEWHERE))).toBeUndefined()
    expect(snapshot(world)).toMatchObject({ vfs, leases: {}, files: { [BOOT_ID_PATH]: 'boot-2\n' } })
    expect([...world.files.keys()].filter((path) => path.includes('/cni/sriov/') && path !== JOURNAL)).toEqual([])
  })

  test.each(['DEL', 'GC'])('%s takes a mark away that a power cut has emptied', async (verb) => {
    const world = makeMachine()
    await call(world, 'ADD', FULL)
    world.removeNetns(POD_A)
    world.files.set(BOOT_ID_PATH, 'boot-2\n')
    world.files.set(MARK, '')
    expect(codeOf(await call(world, verb, { ...FULL, 'cni.dev/valid-attachments': [] }, { netns: '' }))).toBeUndefined()
    expect([...world.files.keys()].filter((path) => path.includes('/cni/sriov/') && path !== JOURNAL)).toEqual([])
  })

  test('frees a lease that a DEL could not', async () => {
    const world = makeMachine()
    const before = snapshot(world)
    await call(world, 'ADD', FULL)
    world.programs.set(IPAM_PATH, failingAt('DEL', { code: 150, msg: 'the pool is locked' }))
    expect(codeOf(await call(world, 'DEL', FULL))).toBe(109)
    world.programs.set(IPAM_PATH, leaseProgram())
    expect(codeOf(await call(world, 'GC', ELSEWHERE))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(['/run/netns/gone', ''])('takes the mark %j away that nobody speaks of', async (mark) => {
    const world = makeMachine()
    world.folders.add('/var/lib/cni/sriov/pci')
    world.files.set(MARK, mark)
    expect(codeOf(await call(world, 'GC', ELSEWHERE))).toBeUndefined()
    expect(world.files.has(MARK)).toBe(false)
  })

  test.each([
    ['a pod that is alive', POD_B, '{}'],
    ['another plugin, which has a state file', '/run/netns/gone', `{"deviceID":"${VF_ADDRESS}"}`],
  ])('leaves the mark of %s', async (_whose, netns, record) => {
    const world = makeMachine()
    world.folders.add('/var/lib/cni/sriov/pci')
    world.files.set(MARK, netns)
    world.files.set('/var/lib/cni/sriov/other-net1', record)
    expect(codeOf(await call(world, 'GC', ELSEWHERE))).toBeUndefined()
    expect(world.files.get(MARK)).toBe(netns)
  })

  test('leaves the attachments of other networks alone whose pods are alive', async () => {
    const world = makeMachine()
    await call(world, 'ADD', FULL)
    const before = snapshot(world)
    expect(codeOf(await call(world, 'GC', ELSEWHERE))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })
})

describe('GC and the IPAM plugin', () => {
  const gc = (keys: object) => ({ ...FULL, ...keys })

  test('the plugin gets the list, and frees what is not in it', async () => {
    const world = makeMachine()
    await call(world, 'ADD', FULL)
    world.leases.set('pod-lost net1', JSON.stringify({ name: 'sriov-net' }))
    expect(codeOf(await call(world, 'GC', gc(KNOWN)))).toBeUndefined()
    expect([...world.leases.keys()]).toEqual(['pod-a net1'])
  })

  test('keeps the lease of an attachment that could not be given back: its pod has the address', async () => {
    const world = makeMachine()
    const conf = { ...netConf({ dpdk: { dpdk_driver: 'vfio-pci' }, ...IPAM }), 'cni.dev/valid-attachments': [] }
    await call(world, 'ADD', conf)
    const leases = [...world.leases.keys()]
    world.symlinks.set('/proc/4711/fd/9', `/dev/vfio/${VF_INDEX + 20}`)
    world.openFunctions.add(VF_ADDRESS)
    expect(messageOf(await call(world, 'GC', conf))).toContain('still used by process 4711')
    expect([...world.leases.keys()]).toEqual(leases)
    world.symlinks.delete('/proc/4711/fd/9')
    world.openFunctions.delete(VF_ADDRESS)
    expect(messageOf(await call(world, 'GC', conf))).toBe('')
    expect(world.leases.size).toBe(0)
  })

  test('without a list the plugin is not asked', async () => {
    const world = makeMachine()
    world.programs.set(IPAM_PATH, failingAt('GC', { code: 999, msg: 'asked' }))
    expect(codeOf(await call(world, 'GC', FULL))).toBeUndefined()
  })

  test.each([1, 3, 4])('code %i says that it has no GC', async (code) => {
    const world = makeMachine()
    world.programs.set(IPAM_PATH, failingAt('GC', { code, msg: 'no' }))
    expect(codeOf(await call(world, 'GC', gc(KNOWN)))).toBeUndefined()
  })

  test('another code is an error, after everything was tried', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf({ deviceID: OTHER_VF_ADDRESS }), { containerId: 'pod-b', netns: POD_B })
    world.programs.set(IPAM_PATH, failingAt('GC', { code: 150, msg: 'the pool is locked' }))
    const answer = await call(world, 'GC', gc(KNOWN))
    expect([codeOf(answer), messageOf(answer)]).toEqual([109, expect.stringContaining('the pool is locked')])
    expect(world.files.has('/var/lib/cni/sriov/pod-b-net1')).toBe(false)
  })
})
