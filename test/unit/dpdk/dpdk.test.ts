import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { IPAM_RESULT } from '../../fakes/ipam.js'
import { everyChange, type Interference } from '../../fakes/machine/interference.js'
import { makeMachine, PF_ADDRESS, POD_A, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { BOOT_ID_PATH } from '../../fakes/machine/world.js'
import { IPAM, WANTED_MAC } from '../../fakes/scenarios.js'

const RECORD = '/var/lib/cni/sriov/pod-a-net1'
const AS_B = { containerId: 'pod-b', netns: POD_B }
const PF_SETTINGS = {
  mac: WANTED_MAC,
  vlan: 100,
  vlanQoS: 3,
  min_tx_rate: 10,
  max_tx_rate: 200,
  spoofchk: 'off',
  trust: 'on',
  link_state: 'enable',
}
const CONF = netConf({ ...PF_SETTINGS, ...IPAM })
const known = (...names: string[]) => ({
  ...CONF,
  'cni.dev/valid-attachments': names.map((containerID) => ({ containerID, ifname: 'net1' })),
})

/** A machine on which somebody has given the VF to a driver of user space. */
function given(driver = 'vfio-pci') {
  const world = makeMachine()
  world.pciDrivers.set('uio_pci_generic', { makesNetdev: false }).set('igb_uio', { makesNetdev: false })
  giveTo(world, VF_ADDRESS, driver)
  Object.assign(world.vf(VF_ADDRESS).settings, { vlan: 7, maxTxRateMbps: 500 })
  return world
}

async function attached(conf: object = CONF) {
  const world = given()
  const before = snapshot(world)
  expect(messageOf(await call(world, 'ADD', conf))).toBe('')
  return { world, before }
}

describe.each(['vfio-pci', 'uio_pci_generic', 'igb_uio'])('a VF that is found on %s', (driver) => {
  test('gets the settings of its PF and keeps its driver; one DEL gives them back', async () => {
    const world = given(driver)
    const before = snapshot(world)
    expect(messageOf(await call(world, 'ADD', CONF))).toBe('')
    expect(world.vf(VF_ADDRESS)).toMatchObject({
      driver,
      settings: {
        mac: WANTED_MAC,
        vlan: 100,
        vlanQoS: 3,
        minTxRateMbps: 10,
        maxTxRateMbps: 200,
        spoofchk: false,
        trust: true,
        linkState: 'enable',
      },
    })
    expect(await call(world, 'CHECK', CONF)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(await call(world, 'DEL', CONF)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(snapshot(world)).toEqual(before)
  })

  test('has nothing written to its driver', async () => {
    const world = given(driver)
    const writes: string[] = []
    const interfere: Interference = (effect, work) => {
      if (everyChange(effect) && effect.what.startsWith('write attribute')) {
        writes.push(effect.what)
      }
      return work()
    }
    await call(world, 'ADD', CONF, { interfere })
    await call(world, 'DEL', CONF, { interfere })
    expect(writes).toEqual([])
  })
})

describe('the result for a VF without an interface', () => {
  test('shows it by its name, MAC and PCI address, outside every namespace, with the addresses of IPAM', async () => {
    const world = given()
    const pod = snapshot(world).namespaces[POD_A]
    const answer = documentOf(await call(world, 'ADD', CONF))
    expect(answer).toMatchObject({
      cniVersion: '1.1.0',
      ips: IPAM_RESULT.ips.map((ip) => ({ ...ip, interface: 0 })),
    })
    expect(answer?.interfaces).toEqual([{ name: 'net1', mac: WANTED_MAC, pciID: VF_ADDRESS }])
    expect(snapshot(world).namespaces[POD_A]).toEqual(pod)
    expect([world.frames.length, world.sysctls.size]).toEqual([0, 0])
  })

  test('shows the MAC that the PF has for it, and none where it has none', async () => {
    const world = given()
    expect(documentOf(await call(world, 'ADD', netConf()))).toMatchObject({
      interfaces: [{ name: 'net1', pciID: VF_ADDRESS }],
    })
    await call(world, 'DEL', netConf())
    const vf = world.vf(VF_ADDRESS)
    vf.hasAdminMac = true
    vf.settings.mac = '02:00:00:00:00:55'
    expect(documentOf(await call(world, 'ADD', netConf()))).toMatchObject({
      interfaces: [{ mac: '02:00:00:00:00:55' }],
    })
  })

  test('is the same in CNI 0.4.0, whose addresses have a version', async () => {
    const answer = documentOf(await call(given(), 'ADD', { ...CONF, cniVersion: '0.4.0' }))
    expect(answer).toMatchObject({ interfaces: [{ name: 'net1', mac: WANTED_MAC }], ips: [{ version: '4' }, {}] })
  })

  test('does not mind an interface of the same name in the pod', async () => {
    const world = given()
    const link = world.link(world.netns(POD_A), 'eth0')
    const answer = await call(world, 'ADD', CONF, { ifName: 'eth0' })
    expect(messageOf(answer)).toBe('')
    expect(world.link(world.netns(POD_A), 'eth0')).toEqual(link)
  })
})

test('a VF without a visible PF needs no settings, and is refused those that it cannot have', async () => {
  const world = given()
  world.symlinks.set(`/sys/bus/pci/devices/${VF_ADDRESS}/physfn`, '')
  const before = snapshot(world)
  const answer = await call(world, 'ADD', CONF)
  expect(codeOf(answer)).toBe(7)
  expect(messageOf(answer)).toMatch(/mac: needs the PF.*vlan: needs the PF.*trust: needs the PF/)
  expect(snapshot(world)).toEqual(before)
  expect(messageOf(await call(world, 'ADD', netConf()))).toBe('')
  expect(messageOf(await call(world, 'DEL', netConf()))).toBe('')
  expect(snapshot(world)).toEqual(before)
})

describe('CHECK of a VF without an interface', () => {
  test('says when its driver, or a setting, is another', async () => {
    const { world } = await attached()
    world.vf(VF_ADDRESS).driver = 'ablevf'
    world.vf(VF_ADDRESS).settings.vlan = 5
    const answer = await call(world, 'CHECK', CONF)
    expect(codeOf(answer)).toBe(108)
    expect(messageOf(answer)).toMatch(/vlan.*its driver is ablevf, not vfio-pci/)
    world.vf(VF_ADDRESS).driver = undefined
    expect(messageOf(await call(world, 'CHECK', CONF))).toContain('its driver is none, not vfio-pci')
  })
})

describe('the end of an attachment without an interface', () => {
  test('comes with DEL without a namespace, twice', async () => {
    const { world, before } = await attached()
    for (const _time of [1, 2]) {
      expect(await call(world, 'DEL', CONF, { netns: '' })).toMatchObject({ exitCode: 0, stdout: '' })
      expect(snapshot(world)).toEqual(before)
    }
  })

  test('comes with DEL after another boot, which has reset the VF', async () => {
    const { world } = await attached()
    world.files.set(BOOT_ID_PATH, 'boot-2\n')
    world.vf(VF_ADDRESS).settings.vlan = 9
    const vf = structuredClone(world.vf(VF_ADDRESS).settings)
    expect(messageOf(await call(world, 'DEL', CONF, { netns: '' }))).toBe('')
    expect(world.vf(VF_ADDRESS).settings).toEqual(vf)
    expect(world.files.has(RECORD)).toBe(false)
  })

  test('comes with GC when the runtime does not know it, and not before', async () => {
    const { world, before } = await attached()
    const full = snapshot(world)
    expect(messageOf(await call(world, 'GC', known('pod-a')))).toBe('')
    expect(snapshot(world)).toEqual(full)
    expect(messageOf(await call(world, 'GC', known()))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('comes with GC without a list when its pod is gone and nobody has the VF open', async () => {
    const { world } = await attached()
    const full = snapshot(world)
    expect(messageOf(await call(world, 'GC', CONF))).toBe('')
    expect(snapshot(world)).toEqual(full)
    world.removeNetns(POD_A)
    world.symlinks.set('/proc/12/fd/7', '/dev/vfio/22')
    expect(messageOf(await call(world, 'GC', CONF))).toBe('')
    expect(world.files.has(RECORD)).toBe(true)
    world.symlinks.delete('/proc/12/fd/7')
    expect(messageOf(await call(world, 'GC', CONF))).toBe('')
    expect(world.files.has(RECORD)).toBe(false)
    expect(world.vf(VF_ADDRESS).settings.vlan).toBe(7)
  })

  test('does not come with the ADD of another pod while the pod is alive', async () => {
    const { world } = await attached()
    const full = snapshot(world)
    const answer = await call(world, 'ADD', CONF, AS_B)
    expect([codeOf(answer), messageOf(answer)]).toEqual([102, expect.stringContaining('container pod-a')])
    expect(snapshot(world)).toEqual(full)
  })

  test('leaves the VF alone when it comes late and another pod has it', async () => {
    const { world } = await attached()
    const late = world.files.get(RECORD) ?? ''
    world.removeNetns(POD_A)
    expect(messageOf(await call(world, 'ADD', netConf({ vlan: 200 }), AS_B))).toBe('')
    const full = snapshot(world)
    world.files.set(RECORD, late)
    expect(messageOf(await call(world, 'DEL', CONF, { netns: '' }))).toBe('')
    expect(snapshot(world)).toEqual(full)
    expect(messageOf(await call(world, 'DEL', netConf({ vlan: 200 }), AS_B))).toBe('')
    expect(world.vf(VF_ADDRESS).settings.vlan).toBe(7)
  })

  test('comes by its claim when its record is lost', async () => {
    const { world, before } = await attached()
    world.files.delete(RECORD)
    expect(messageOf(await call(world, 'DEL', CONF, { netns: '' }))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })
})

test('the PF of a VF that is found on vfio-pci is refused to pfOnly while a pod has the VF', async () => {
  const { world } = await attached(netConf())
  const answer = await call(world, 'ADD', netConf({ deviceID: undefined, master: 'ens1f0', pfOnly: true }), AS_B)
  expect([codeOf(answer), messageOf(answer)]).toEqual([102, expect.stringContaining(VF_ADDRESS)])
  expect(messageOf(answer)).toContain(PF_ADDRESS)
})
