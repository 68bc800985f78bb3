import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { ableDriver, igbDriver } from '../../fakes/machine/card.js'
import { everyChange, killAt } from '../../fakes/machine/interference.js'
import { makeNode, pfAddressAt, pfNameAt, podPathAt, vfAddressAt, vfNameAt } from '../../fakes/machine/node.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'

const VFS = 4
const PODS = 10
const node = () => makeNode({ drivers: [ableDriver, igbDriver], vfsPerPf: VFS, pods: PODS })

const onPf = (keys: object = {}) => netConf({ deviceID: undefined, master: pfNameAt(0), ...keys })
const bySelectors = (selectors: object, keys: object = {}) => netConf({ deviceID: undefined, selectors, ...keys })

const add = (world: FakeWorld, pod: number, conf: object, cniArgs = '') =>
  call(world, 'ADD', conf, { containerId: `c${pod}`, netns: podPathAt(pod), environment: { CNI_ARGS: cniArgs } })
const del = (world: FakeWorld, pod: number, conf: object) =>
  call(world, 'DEL', conf, { containerId: `c${pod}`, netns: podPathAt(pod) })

/** The PCI address of the VF that a pod got, or the code of the refusal. */
async function got(world: FakeWorld, pod: number, conf: object, cniArgs?: string): Promise<unknown> {
  const answer = await add(world, pod, conf, cniArgs)
  const interfaces = documentOf(answer)?.interfaces as { pciID: string }[] | undefined
  return interfaces?.[0]?.pciID ?? codeOf(answer)
}

const vf = (index: number, pf = 0) => vfAddressAt({ pf, index })

describe('a VF of a PF', () => {
  test('is the lowest free one, and the next after that; then code 11 names who has them', async () => {
    const world = node()
    const before = snapshot(world)
    for (const index of [0, 1, 2, 3]) {
      expect(await got(world, index, onPf())).toBe(vf(index))
    }
    const full = snapshot(world)
    const answer = await add(world, 4, onPf())
    expect(codeOf(answer)).toBe(11)
    expect(messageOf(answer)).toMatch(
      /no VF of master ens1f0 is free; there are 4: VF 0 of ens1f0 .*: container c0 .*container c3/,
    )
    expect(snapshot(world)).toEqual(full)
    await del(world, 1, onPf())
    expect(await got(world, 5, onPf())).toBe(vf(1))
    for (const pod of [0, 2, 3, 5]) {
      expect(codeOf(await del(world, pod, onPf()))).toBeUndefined()
    }
    expect(snapshot(world)).toEqual(before)
  })

  test('is the one with the index that vf or CNI_ARGS gives', async () => {
    const world = node()
    expect(await got(world, 0, onPf({ vf: 2 }))).toBe(vf(2))
    expect(await got(world, 1, onPf({ vf: 2 }), 'VF=3')).toBe(vf(3))
    expect(await got(world, 2, onPf({ vf: 3 }))).toBe(102)
    const answer = await add(world, 3, onPf({ vf: 9 }))
    expect([codeOf(answer), messageOf(answer)]).toEqual([101, 'vf: ens1f0 has no VF 9, only 4 VFs'])
  })

  test('is given to ten ADDs at once as far as it goes', async () => {
    const world = node()
    const answers = await Promise.all(Array.from({ length: PODS }, (_, pod) => got(world, pod, onPf())))
    expect(answers.filter((one) => one === 11)).toHaveLength(PODS - VFS)
    expect(answers.filter((one) => one !== 11).sort()).toEqual([0, 1, 2, 3].map((index) => vf(index)))
  })

  test('is not one that another call is at work on, nor one of kubelet, nor one that is not on the host', async () => {
    const world = node()
    world.locks.add(`/var/lib/cni/sriov/pci/vf_lock/${vf(0)}.lock`)
    world.files.set(
      '/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint',
      JSON.stringify({
        Data: { PodDeviceEntries: null, RegisteredDevices: { 'vendor.com/nic': [vf(1)] } },
        Checksum: 1,
      }),
    )
    world.vf(vf(2)).driver = 'vfio-pci'
    expect(await got(world, 0, onPf())).toBe(vf(3))
    const message = messageOf(await add(world, 1, onPf()))
    expect(message).toContain('VF 0 of ens1f0 (0000:01:10.0): a call that is at work on it')
    expect(message).toContain("VF 1 of ens1f0 (0000:01:10.1): kubelet's device plugin")
    expect(message).toContain('is bound to vfio-pci')
    expect(world.clock.nowMs()).toBeLessThan(1_000)
  })

  test('of kubelet may be named by its address', async () => {
    const world = node()
    world.files.set(
      '/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint',
      JSON.stringify({ Data: { RegisteredDevices: { 'vendor.com/nic': [vf(1)] } } }),
    )
    expect(await got(world, 0, onPf({ vf: 1 }))).toBe(102)
    expect(await got(world, 0, netConf({ deviceID: vf(1) }))).toBe(vf(1))
  })

  test('is not one that the Go sriov-cni has marked for a live pod', async () => {
    const world = node()
    world.folders.add('/var/lib/cni/sriov/pci')
    world.files.set(`/var/lib/cni/sriov/pci/${vf(0)}`, podPathAt(5))
    world.files.set(`/var/lib/cni/sriov/pci/${vf(1)}`, '/run/netns/dead')
    expect(await got(world, 0, onPf())).toBe(vf(1))
  })

  test('is also one whose pod died without a DEL, or whose ADD was killed', async () => {
    const world = node()
    expect(await got(world, 0, onPf({ vlan: 5 }))).toBe(vf(0))
    world.removeNetns(podPathAt(0))
    const interfere = killAt(everyChange, 7, 'after')
    await call(world, 'ADD', onPf(), { containerId: 'c1', netns: podPathAt(1), interfere })
    expect(await got(world, 2, onPf())).toBe(vf(0))
    expect(await got(world, 3, onPf())).toBe(vf(1))
  })

  test.each([
    [{ master: 'ens9f0' }, 'master: there is no interface ens9f0'],
    [{ master: undefined, if0: 'lo' }, 'if0: there is no interface lo of a PCI device'],
    [{ master: vfNameAt({ pf: 0, index: 0 }) }, 'has no SR-IOV'],
  ])('of %j is refused with words that help', async (keys, words) => {
    const world = node()
    const before = snapshot(world)
    const answer = await add(world, 0, onPf(keys))
    expect([codeOf(answer), messageOf(answer)]).toEqual([101, expect.stringContaining(words)])
    expect(snapshot(world)).toEqual(before)
  })
})

describe('a VF whose driver says no', () => {
  const broken = (...indexes: number[]) => {
    const world = node()
    for (const index of indexes) {
      world.vf(vf(index)).isBroken = true
    }
    return world
  }

  test('keeps nobody from the others of its PF, and is as before', async () => {
    const world = broken(0, 1)
    const before = snapshot(world)
    expect(await got(world, 0, onPf({ vlan: 100 }))).toBe(vf(2))
    expect(world.log.filter((line) => line.includes('a free VF could not be attached'))).toHaveLength(2)
    await del(world, 0, onPf({ vlan: 100 }))
    expect(snapshot(world)).toEqual(before)
  })

  test('is told when three of them do, and no more are tried', async () => {
    const world = broken(0, 1, 2)
    const before = snapshot(world)
    const answer = await add(world, 0, onPf({ vlan: 100 }))
    expect(messageOf(answer)).toContain(`VF 0 of ${pfNameAt(0)}`)
    expect(snapshot(world)).toEqual(before)
    expect(await got(world, 0, onPf())).toBe(vf(0))
  })

  test('is told at once where the configuration names it', async () => {
    const answer = await add(broken(0), 0, onPf({ vlan: 100, vf: 0 }))
    expect(messageOf(answer)).toContain(`VF 0 of ${pfNameAt(0)}`)
  })
})

describe('a VF by selectors', () => {
  test('is of the PF with most free VFs', async () => {
    const world = node()
    const order = []
    for (let pod = 0; pod < 5; pod += 1) {
      order.push(await got(world, pod, bySelectors({})))
    }
    expect(order).toEqual([vf(0), vf(0, 1), vf(1), vf(1, 1), vf(2)])
  })

  test('is of the NUMA node of the pod first', async () => {
    const world = node()
    for (let index = 0; index < VFS; index += 1) {
      world.files.set(`/sys/bus/pci/devices/${vf(index, 1)}/numa_node`, '1\n')
    }
    const order = []
    for (let pod = 0; pod < 5; pod += 1) {
      order.push(await got(world, pod, bySelectors({}, { numaNode: 1 })))
    }
    expect(order).toEqual([vf(0, 1), vf(1, 1), vf(2, 1), vf(3, 1), vf(0)])
  })

  test.each([
    [{ pfNames: [`${pfNameAt(1)}#2-3`] }, vf(2, 1)],
    [{ rootDevices: [`${pfAddressAt(0)}#3`] }, vf(3)],
    [{ pciAddresses: [vf(1, 1)] }, vf(1, 1)],
    [{ drivers: ['igbvf'] }, vf(0, 1)],
    [{ vendors: ['8086'], devices: ['10ca'] }, vf(2)],
    [{ linkTypes: ['ether'], pfNames: [pfNameAt(0), pfNameAt(1)] }, vf(0)],
    [{ drivers: ['igbvf'], pfNames: [pfNameAt(0)] }, 101],
    [{ linkTypes: ['infiniband'] }, 101],
    [{ acpiIndexes: ['7'] }, vf(2)],
    [{ isRdma: true }, vf(3)],
    [{ isRdma: false, pKeys: ['0x8001'] }, vf(3)],
    [{ pKeys: ['0x7fff'] }, 101],
  ])('%j is %s', async (selectors, expected) => {
    const world = node()
    world.files.set(`/sys/bus/pci/devices/${vf(2)}/vendor`, '0x8086\n')
    world.files.set(`/sys/bus/pci/devices/${vf(2)}/device`, '0x10ca\n')
    world.files.set(`/sys/bus/pci/devices/${vf(2)}/acpi_index`, '7\n')
    world.folders.add(`/sys/bus/pci/devices/${vf(3)}/infiniband/mlx5_3`)
    world.files.set('/sys/class/infiniband/mlx5_3/ports/1/pkeys/0', '0x8001\n')
    expect(await got(world, 0, bySelectors(selectors))).toBe(expected)
  })

  test('that match nothing are quoted', async () => {
    expect(messageOf(await add(node(), 0, bySelectors({ drivers: ['mlx5_core'] })))).toBe(
      'selectors: no VF on this node matches {"drivers":["mlx5_core"]}',
    )
  })
})

describe('pfOnly', () => {
  const conf = onPf({ pfOnly: true, mtu: 2000, mac: '02:00:00:00:00:66' })

  test('gives the PF itself, and takes it back as it was', async () => {
    const world = node()
    const before = snapshot(world)
    expect(await got(world, 0, conf)).toBe(pfAddressAt(0))
    expect(world.link(world.netns(podPathAt(0)), 'net1')).toMatchObject({
      mtu: 2000,
      mac: '02:00:00:00:00:66',
      isUp: true,
    })
    expect(codeOf(await call(world, 'CHECK', conf, { containerId: 'c0', netns: podPathAt(0) }))).toBeUndefined()
    expect(codeOf(await del(world, 0, conf))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('is refused while a VF of it is in use, and so is a VF while the PF is', async () => {
    const world = node()
    await got(world, 0, onPf())
    const answer = await add(world, 1, conf)
    expect([codeOf(answer), messageOf(answer)]).toEqual([102, expect.stringContaining('container c0')])
    await del(world, 0, onPf())
    expect(await got(world, 1, conf)).toBe(pfAddressAt(0))
    expect(await got(world, 2, netConf({ deviceID: vf(0) }))).toBe(101)
  })

  test('and a VF at once: one of them is refused', async () => {
    const world = node()
    const answers = await Promise.all([got(world, 0, conf), got(world, 1, onPf())])
    expect(answers.filter((one) => typeof one === 'string').length).toBeLessThanOrEqual(1)
    await del(world, 0, conf)
    await del(world, 1, onPf())
    expect(snapshot(world)).toEqual(snapshot(node()))
  })

  test('with a setting of VFs says that it cannot be', async () => {
    const answer = await add(node(), 0, onPf({ pfOnly: true, vlan: 5, trust: 'on' }))
    expect(codeOf(answer)).toBe(7)
    expect(messageOf(answer)).toMatch(/vlan: needs the PF of a VF.*trust: needs/)
  })
})

describe('a VF without a visible PF', () => {
  function inVirtualMachine() {
    const world = node()
    world.symlinks.set(`/sys/bus/pci/devices/${vf(0)}/physfn`, '')
    return world
  }

  test('is given with MAC and MTU, and taken back', async () => {
    const world = inVirtualMachine()
    const before = snapshot(world)
    const conf = netConf({ deviceID: vf(0), mac: '02:00:00:00:00:66', mtu: 2000, promisc: true })
    expect(await got(world, 0, conf)).toBe(vf(0))
    expect(codeOf(await call(world, 'CHECK', conf, { containerId: 'c0', netns: podPathAt(0) }))).toBeUndefined()
    expect(codeOf(await del(world, 0, conf))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('and a setting that only a PF can make: an error that says so', async () => {
    const world = inVirtualMachine()
    const before = snapshot(world)
    const answer = await add(world, 0, netConf({ deviceID: vf(0), vlan: 5, max_tx_rate: 3 }))
    expect(codeOf(answer)).toBe(7)
    expect(messageOf(answer)).toContain('vlan: needs the PF of a VF, and device 0000:01:10.0 has none')
    expect(messageOf(answer)).toContain('max_tx_rate: needs')
    expect(snapshot(world)).toEqual(before)
  })
})

describe('mac', () => {
  test('that another VF of the PF has is refused, naming it', async () => {
    const world = node()
    const mac = '02:00:00:00:00:66'
    await got(world, 0, onPf({ mac }))
    const before = snapshot(world)
    const answer = await add(world, 1, onPf({ mac }))
    expect([codeOf(answer), messageOf(answer)]).toEqual([
      7,
      expect.stringContaining('the MAC of VF 0 of ens1f0 already'),
    ])
    expect(snapshot(world)).toEqual(before)
    expect(await got(world, 2, netConf({ deviceID: vf(0, 1), mac }))).toBe(vf(0, 1))
  })
})

describe('if0name', () => {
  test('is the name in the pod; the record goes by CNI_IFNAME', async () => {
    const world = node()
    const before = snapshot(world)
    const conf = onPf({ if0name: 'net0-4s0f1', vlan: 5 })
    const answer = await add(world, 0, conf)
    expect(documentOf(answer)).toMatchObject({ interfaces: [{ name: 'net0-4s0f1' }] })
    expect(world.files.has('/var/lib/cni/sriov/c0-net1')).toBe(true)
    expect(codeOf(await call(world, 'CHECK', conf, { containerId: 'c0', netns: podPathAt(0) }))).toBeUndefined()
    expect(codeOf(await del(world, 0, netConf()))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })
})
