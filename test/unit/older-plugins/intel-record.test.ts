import { describe, expect, test } from 'vitest'
import { JOURNAL } from '../../../src/state/journal.js'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { DEVBIND_PATH, makeMachine, PF, POD_A, POD_B, VF_ADDRESS, VF_INDEX } from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'

const STATE = '/var/lib/cni/sriov'
const RECORD = `${STATE}/pod-a-net1`
const CONF = netConf()
const AS_B = { containerId: 'pod-b', netns: POD_B }
const DPDK = { dpdk: { dpdk_driver: 'vfio-pci' } }

const written = (keys: object = {}) => ({
  pci_addr: VF_ADDRESS,
  ifname: 'net1',
  kernel_driver: 'ablevf',
  dpdk_driver: 'vfio-pci',
  dpdk_tool: DEVBIND_PATH,
  vfid: VF_INDEX,
  ...keys,
})

/** A node on which intel's plugin 0.x has given a VF to pod A for DPDK. */
function taken(keys: object = {}) {
  const world = makeMachine()
  giveTo(world, VF_ADDRESS, 'vfio-pci')
  Object.assign(world.vf(VF_ADDRESS).settings, { vlan: 100, vlanQoS: 3, trust: true })
  world.folders.add(STATE)
  world.files.set(RECORD, JSON.stringify(written(keys)))
  return world
}

const interfacesOfVf = (world: ReturnType<typeof taken>) =>
  world.host.links.filter(({ parentDevice }) => parentDevice === VF_ADDRESS)

describe('an attachment of intel 0.x for DPDK', () => {
  test.each([
    ['by its tool', DEVBIND_PATH],
    ['by a tool that is gone', '/opt/dpdk/usertools/dpdk-devbind.py'],
    ['without a tool', ''],
  ])('goes back to its kernel driver on DEL, VLAN 0, %s', async (_how, dpdk_tool) => {
    const world = taken({ dpdk_tool })
    expect(await call(world, 'DEL', CONF)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(world.vf(VF_ADDRESS)).toMatchObject({ driver: 'ablevf', settings: { vlan: 0, vlanQoS: 0, trust: true } })
    expect(interfacesOfVf(world)).toHaveLength(1)
    expect([...world.files.keys()].filter((path) => path.startsWith(STATE) && path !== JOURNAL)).toEqual([])
  })

  test('goes back without a namespace, and DEL succeeds again', async () => {
    const world = taken()
    world.removeNetns(POD_A)
    for (const _time of [1, 2]) {
      expect(await call(world, 'DEL', CONF, { netns: '' })).toMatchObject({ exitCode: 0, stdout: '' })
    }
    expect(world.vf(VF_ADDRESS)).toMatchObject({ driver: 'ablevf', settings: { vlan: 0 } })
  })

  test('counts by what sysfs says of the VF, not by its vfid', async () => {
    const world = taken({ vfid: 0 })
    Object.assign(world.vf('0000:01:10.0').settings, { vlan: 55 })
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(world.vf('0000:01:10.0').settings.vlan).toBe(55)
    expect(world.vf(VF_ADDRESS).settings.vlan).toBe(0)
  })

  test('keeps its VF from other pods until its DEL, with or without dpdk', async () => {
    const world = taken()
    const full = snapshot(world)
    for (const keys of [{}, DPDK, { deviceID: undefined, master: PF, vf: VF_INDEX, ...DPDK }]) {
      const answer = await call(world, 'ADD', netConf(keys), AS_B)
      expect([codeOf(answer), messageOf(answer)]).toEqual([102, expect.stringContaining('container pod-a')])
      expect(snapshot(world)).toEqual(full)
    }
    await call(world, 'DEL', CONF)
    expect(messageOf(await call(world, 'ADD', CONF, AS_B))).toBe('')
  })

  test('is passed over by a choice among VFs', async () => {
    const world = taken()
    for (const index of [0, 1, 3]) {
      expect(
        messageOf(
          await call(world, 'ADD', netConf({ deviceID: undefined, master: PF, ...DPDK }), {
            containerId: `c${index}`,
            netns: POD_B,
          }),
        ),
      ).toBe('')
    }
    const answer = await call(world, 'ADD', netConf({ deviceID: undefined, master: PF, ...DPDK }), AS_B)
    expect([codeOf(answer), messageOf(answer)]).toEqual([11, expect.stringContaining('container pod-a')])
    expect(world.vf(VF_ADDRESS).settings.vlan).toBe(100)
  })

  test('refuses a second ADD under its name', async () => {
    const world = taken()
    const full = snapshot(world)
    expect(codeOf(await call(world, 'ADD', CONF))).toBe(104)
    expect(snapshot(world)).toEqual(full)
  })

  test('is left alone by GC: nobody can tell whether its pod is alive', async () => {
    const world = taken()
    const full = snapshot(world)
    for (const conf of [CONF, { ...CONF, 'cni.dev/valid-attachments': [] }]) {
      expect(messageOf(await call(world, 'GC', conf))).toBe('')
      expect(snapshot(world)).toEqual(full)
    }
  })

  test('does not take the VF from the pod that has it by the time of a late DEL', async () => {
    const world = taken()
    const late = world.files.get(RECORD) ?? ''
    world.files.delete(RECORD)
    const conf = netConf({ ...DPDK, vlan: 200 })
    expect(messageOf(await call(world, 'ADD', conf, AS_B))).toBe('')
    world.files.set(RECORD, late)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(world.files.has(RECORD)).toBe(false)
    expect(world.vf(VF_ADDRESS)).toMatchObject({ driver: 'vfio-pci', settings: { vlan: 200 } })
  })

  test('stays recorded while its kernel driver is missing, and goes back once that is loaded', async () => {
    const world = taken()
    world.pciDrivers.delete('ablevf')
    const answer = await call(world, 'DEL', CONF)
    expect([codeOf(answer), messageOf(answer)]).toEqual([109, expect.stringContaining('ablevf')])
    world.pciDrivers.set('ablevf', { makesNetdev: true })
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(world.vf(VF_ADDRESS)).toMatchObject({ driver: 'ablevf', settings: { vlan: 0 } })
    expect(world.files.has(RECORD)).toBe(false)
  })
})
