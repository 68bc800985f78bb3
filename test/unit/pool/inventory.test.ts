import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { call, netConf } from '../../fakes/call.js'
import { ableDriver } from '../../fakes/machine/card.js'
import { makeMachine, PF, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { makeNode, vfAddressAt } from '../../fakes/machine/node.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { logged, type PoolNode, poolNode, RESOURCE } from './pool-node.js'

const ADDRESSES = [0, 1, 2, 3].map((index) => `0000:01:10.${index * 2}`)

async function looked(node: PoolNode): Promise<PoolNode> {
  node.service.look()
  return node
}

const ailmentOf = (node: PoolNode, address: string) =>
  logged(node, new RegExp(`^warning: a device is not handed out .*${address}`)).at(-1) ?? ''

/** The world changes after kubelet has seen four sound devices. */
async function afterwards(change: (world: FakeWorld, node: PoolNode) => unknown): Promise<PoolNode> {
  const node = await poolNode(makeMachine())
  await node.sees(4, 4)
  await change(node.world, node)
  return looked(node)
}

describe('the devices of a resource', () => {
  test('have the NUMA node of their card, unless the resource hides it', async () => {
    const world = makeMachine()
    world.files.set(`/sys/bus/pci/devices/${VF_ADDRESS}/numa_node`, '1\n')
    const resourceList = [{ resourceName: 'vfs' }, { resourceName: 'none', selectors: [{ drivers: ['x'] }] }]
    const node = await poolNode(world, { conf: { resourceList } })
    await node.sees(4, 4)
    expect(node.kubelet.devices(RESOURCE)?.map(({ numaNode }) => numaNode)).toEqual([
      undefined,
      undefined,
      1,
      undefined,
    ])
    node.configure({ resourceList: [{ resourceName: 'vfs', excludeTopology: true }] })
    await vi.waitFor(() =>
      expect(node.kubelet.devices(RESOURCE)?.some(({ numaNode }) => numaNode !== undefined)).toBe(false),
    )
  })

  test('an empty resource is registered, with no devices', async () => {
    const node = await poolNode(makeMachine(), {
      conf: { resourceList: [{ resourceName: 'vfs', selectors: [{ vendors: ['15b3'] }] }] },
    })
    await node.sees(0, 0)
    expect(logged(node, /^warning: a resource has no device; sriovctl doctor says why/)).toHaveLength(1)
  })

  test('a VF that comes later is offered, one that goes is not', async () => {
    const node = await afterwards((world) => world.cards[0]?.vfs.splice(3, 1))
    await node.sees(3, 3)
    const [vf] = node.world.cards[0]?.vfs ?? []
    node.world.cards[0]?.vfs.push({ ...(vf as NonNullable<typeof vf>), address: '0000:01:11.0', index: 4 })
    node.service.look()
    await vi.waitFor(() => expect(node.kubelet.devices(RESOURCE)?.map(({ id }) => id)).toContain('0000:01:11.0'))
  })

  test('a VF that its pod has stays, sound, and after a restart of the device plugin', async () => {
    const node = await poolNode(makeMachine(), {
      conf: { resourceList: [{ resourceName: 'vfs', selectors: [{ linkTypes: ['ether'], drivers: ['ablevf'] }] }] },
    })
    await node.sees(4, 4)
    const { devices } = await node.kubelet.admit('uid-a', RESOURCE, 1)
    const dpdk = { dpdk: { dpdk_driver: 'vfio-pci' } }
    expect((await call(node.world, 'ADD', netConf({ deviceID: devices[0], ...dpdk }))).exitCode).toBe(0)
    node.service.look()
    await node.sees(4, 4)
    node.restart()
    await node.sees(4, 4)
    await call(node.world, 'DEL', netConf({ deviceID: devices[0], ...dpdk }))
    node.kubelet.end('uid-a')
    node.service.look()
    await node.sees(4, 4)
  })

  test('belong to the first resource that wants them: the overlap is told', async () => {
    const resourceList = [
      { resourceName: 'first', selectors: [{ pfNames: [`${PF}#0-2`] }] },
      { resourceName: 'second' },
    ]
    const node = await poolNode(makeMachine(), { conf: { resourceList } })
    await node.sees(3, 3, 'intel.com/first')
    await node.sees(1, 1, 'intel.com/second')
    expect(logged(node, /^warning: two resources want the same devices.*first.*second/)).toHaveLength(1)
  })

  test('pfNames are names first, and patterns where no PF has the name', async () => {
    const world = makeNode({ drivers: [ableDriver, ableDriver], vfsPerPf: 2, pods: 1 })
    const resourceList = [
      { resourceName: 'one', selectors: [{ pfNames: ['ens1f0'] }] },
      { resourceName: 'more', selectors: [{ pfNames: ['ens[2-3]f.*#1'] }] },
    ]
    const node = await poolNode(world, { conf: { resourceList } })
    await node.sees(2, 2, 'intel.com/one')
    await node.sees(1, 1, 'intel.com/more')
    expect(node.kubelet.healthy('intel.com/more')).toEqual([vfAddressAt({ pf: 1, index: 1 })])
  })

  test('are what the configuration says now: a wrong file changes nothing, and is told', async () => {
    const node = await poolNode(makeMachine())
    await node.sees(4, 4)
    node.configure('{')
    node.configure({ resourceList: [{ resourceName: 'vfs', selectors: [{ vdpaType: 'vhost' }] }] })
    node.service.look()
    await node.sees(4, 4)
    expect(logged(node, /^error: the configuration of before stays in force/)).toHaveLength(2)
    expect(logged(node, /^error: the configuration is wrong .*vdpaType/)).toHaveLength(1)
    node.configure({ resourceList: [{ resourceName: 'other', selectors: [{ pfNames: [`${PF}#1`] }] }] })
    await node.sees(1, 1, 'intel.com/other')
    await vi.waitFor(() => expect(node.kubelet.devices(RESOURCE)).toBeUndefined())
  })
})

describe('a device is not handed out', () => {
  test.each<[string, (world: FakeWorld) => unknown, RegExp, number]>([
    [
      'without a driver',
      (world) => Object.assign(world.vf(VF_ADDRESS), { driver: undefined }),
      /bound to no driver/,
      3,
    ],
    [
      'that the host uses',
      (world) => Object.assign(world.link(world.host, VF_NAME), { hasXdp: true }),
      /the host uses it/,
      3,
    ],
    [
      'that a pod has which kubelet did not give it to',
      (world) => call(world, 'ADD', netConf()),
      /kubelet has given it to none/,
      3,
    ],
    [
      'that a virtual machine has',
      (world) => {
        world.vf(VF_ADDRESS).driver = 'vfio-pci'
        world.host.links.splice(world.host.links.indexOf(world.link(world.host, VF_NAME)), 1)
        world.symlinks.set('/proc/4711/fd/9', '/dev/vfio/22')
        world.files.set('/proc/4711/comm', 'qemu-system-x86\n')
      },
      /has it open/,
      3,
    ],
  ])('%s', async (_what, change, why, healthy) => {
    const node = await afterwards(change)
    await node.sees(healthy, 4)
    expect(ailmentOf(node, VF_ADDRESS)).toMatch(why)
  })

  test('whose give-back did not finish; it is when a later call has finished it', async () => {
    const node = await poolNode(makeMachine())
    await node.sees(4, 4)
    await node.kubelet.admit('uid-a', RESOURCE, 1)
    const own = netConf({ deviceID: ADDRESSES[0], vlan: 100 })
    await call(node.world, 'ADD', own)
    const { settings } = node.world.vf(ADDRESSES[0] ?? '')
    Object.defineProperty(settings, 'vlan', {
      configurable: true,
      get: () => 100,
      set: () => {
        throw Object.assign(new Error('no'), { errno: 16 })
      },
    })
    expect((await call(node.world, 'DEL', own)).exitCode).not.toBe(0)
    node.kubelet.end('uid-a')
    node.service.look()
    await node.sees(3, 4)
    Object.defineProperty(settings, 'vlan', { value: 100, writable: true })
    expect((await call(node.world, 'DEL', own)).exitCode).toBe(0)
    node.service.look()
    await node.sees(4, 4)
  })

  test('whose PF has no carrier, where the resource asks for it', async () => {
    const conf = { resourceList: [{ resourceName: 'vfs', healthFromCarrier: true }] }
    const node = await poolNode(makeMachine(), { conf })
    await node.sees(4, 4)
    const pf = node.world.link(node.world.host, PF)
    Object.assign(pf, { hasCarrier: false })
    node.service.linkChanged(pf.index)
    await node.sees(0, 4)
    Object.assign(pf, { hasCarrier: true })
    node.service.linkChanged(pf.index)
    await node.sees(4, 4)
  })
})

describe('a device has one owner', () => {
  const NAMED = (resourceName: string) => ({ resourceList: [{ resourceName }] })

  test('although its resource gets another name: kubelet would count it twice', async () => {
    const node = await poolNode(makeMachine())
    await node.sees(4, 4)
    const { devices } = await node.kubelet.admit('uid-a', RESOURCE, 1)
    node.configure(NAMED('renamed'))
    await node.sees(3, 4, 'intel.com/renamed')
    expect(ailmentOf(node, devices[0] ?? '')).toContain('a pod has it as intel.com/vfs')
  })

  test('its last pod, although kubelet has forgotten it', async () => {
    const node = await poolNode(makeMachine())
    await node.sees(4, 4)
    const { devices } = await node.kubelet.admit('uid-a', RESOURCE, 1)
    await call(node.world, 'ADD', netConf({ deviceID: devices[0] }))
    node.kubelet.end('uid-a')
    await node.world.clock.sleep(61_000)
    node.service.look()
    await node.sees(3, 4)
  })

  test('who shares RDMA devices does not get that of a VF that a pod has for itself', async () => {
    const world = makeMachine()
    world.folders.add(`/sys/bus/pci/devices/${VF_ADDRESS}/infiniband/mlx5_3`)
    const rdma = { configList: [{ resourceName: 'hca', rdmaHcaMax: 5 }] }
    const node = await poolNode(world, { rdma, conf: { resourceList: [] } })
    await node.sees(5, 5, 'rdma/hca')
    await call(world, 'ADD', netConf())
    node.service.look()
    await node.sees(0, 0, 'rdma/hca')
  })

  test('nor that of a free VF in a pool, which may be another pod’s tomorrow', async () => {
    const world = makeMachine()
    world.folders.add(`/sys/bus/pci/devices/${VF_ADDRESS}/infiniband/mlx5_3`)
    const node = await poolNode(world, { rdma: { configList: [{ resourceName: 'hca', rdmaHcaMax: 5 }] } })
    await node.sees(4, 4)
    await node.sees(0, 0, 'rdma/hca')
  })

  test('but not a program that has the VF of a pod that is gone, which kubelet’s checkpoint still names', async () => {
    const world = makeMachine()
    world.vf(VF_ADDRESS).driver = 'vfio-pci'
    world.files.set('/dev/vfio/22', '')
    const node = await poolNode(world, { conf: { resourceList: [{ resourceName: 'vfs' }] } })
    await node.sees(4, 4)
    const folderOf = (uid: string) => join(node.kubelet.folder, 'pods', uid)
    const uids = ['uid-a', 'uid-b', 'uid-c', 'uid-d']
    const owner = new Map<string, string>()
    for (const uid of uids) {
      const [device = ''] = (await node.kubelet.admit(uid, RESOURCE, 1)).devices
      owner.set(device, uid)
    }
    await world.clock.sleep(61_000)
    world.symlinks.set('/proc/42/fd/7', '/dev/vfio/22')
    for (const uid of uids) {
      mkdirSync(folderOf(uid), { recursive: true })
    }
    node.service.look()
    await node.sees(4, 4)
    rmSync(folderOf(owner.get(VF_ADDRESS) ?? ''), { recursive: true })
    node.service.look()
    await node.sees(3, 4)
    expect(ailmentOf(node, VF_ADDRESS)).toContain('process 42')
  })

  test('a function without a visible PF that a pod took by its address', async () => {
    const world = makeMachine()
    world.symlinks.set(`/sys/bus/pci/devices/${VF_ADDRESS}/physfn`, '')
    const card = world.cards[0]
    const node = await poolNode(world)
    await node.sees(4, 4)
    expect(card?.vfs).toHaveLength(4)
    expect((await call(world, 'ADD', netConf())).exitCode).toBe(0)
    node.service.look()
    await node.sees(3, 4)
  })
})

test('a VF that a call was at work on is handed out again when the call ends, though nothing tells of that', async () => {
  const world = makeMachine()
  expect((await call(world, 'ADD', netConf())).exitCode).toBe(0)
  world.removeNetns(POD_A, 0)
  world.files.set('/proc/42/comm', 'sriov\n')
  world.symlinks.set('/proc/42/fd/3', `/var/lib/cni/sriov/pci/vf_lock/${VF_ADDRESS}.lock`)
  world.files.set('/proc/42/fdinfo/3', 'pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 42 00:00:1 0 EOF\n')
  const node = await poolNode(world)
  await node.sees(3, 4)
  expect(ailmentOf(node, VF_ADDRESS)).toContain('at work on it')
  world.symlinks.delete('/proc/42/fd/3')
  await node.sees(4, 4)
})

test('a state file that is not root’s keeps its own device back, and no other', async () => {
  const node = await afterwards((world) => {
    const claim = `/var/lib/cni/sriov/.vf-${VF_ADDRESS}`
    world.files.set(claim, '{}')
    world.owners.set(claim, { uid: 1000 })
  })
  await node.sees(3, 4)
  expect(ailmentOf(node, VF_ADDRESS)).toContain('is not read: it belongs to user 1000')
})

test('a round that fails is told and made again; Allocate does not answer from old knowledge', async () => {
  const node = await poolNode(makeMachine())
  await node.sees(4, 4)
  const { host } = node.world
  const { links } = host
  Object.defineProperty(host, 'links', {
    configurable: true,
    get: () => {
      throw new Error('the kernel does not answer')
    },
  })
  await expect(node.kubelet.admit('uid-a', RESOURCE, 1)).rejects.toThrow('does not answer')
  expect(logged(node, /^error: the devices of this node cannot be looked at/).length).toBeGreaterThan(0)
  Object.defineProperty(host, 'links', { value: links, writable: true })
  await node.kubelet.admit('uid-a', RESOURCE, 1)
})
