import { describe, expect, test, vi } from 'vitest'
import { readRdmaConf } from '../../../src/pool/conf/rdma-conf.js'
import { makeMachine, PF, PF_ADDRESS, VF_ADDRESS } from '../../fakes/machine/machine.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { logged, poolNode } from './pool-node.js'

const HCA = { configList: [{ resourceName: 'hca', rdmaHcaMax: 1000, selectors: { ifNames: [PF] } }] }
const read = (entry: object) => readRdmaConf(JSON.stringify({ configList: [entry] }), 'rdma.json')

function withHca(world: FakeWorld, address = PF_ADDRESS, device = 'mlx5_0', number = 0): FakeWorld {
  world.folders.add(`/sys/bus/pci/devices/${address}/infiniband/${device}`)
  world.files.set(`/sys/class/infiniband_verbs/uverbs${number}/ibdev`, `${device}\n`)
  world.files.set(`/dev/infiniband/uverbs${number}`, '').set('/dev/infiniband/rdma_cm', '')
  return world
}

describe('the file of the RDMA shared device plugin', () => {
  test('is read as its documentation has it', () => {
    const text = JSON.stringify({
      periodicUpdateInterval: 300,
      configList: [
        {
          resourceName: 'hca_shared_devices_a',
          rdmaHcaMax: 1000,
          selectors: {
            vendors: ['15b3'],
            deviceIDs: ['1017'],
            drivers: ['mlx5_core'],
            ifNames: ['ib0', 'ib1'],
            linkTypes: ['infiniband'],
          },
        },
        { resourceName: 'hca', resourcePrefix: 'example.com', rdmaHcaMax: 5, devices: ['ib0'] },
      ],
    })
    expect(readRdmaConf(text, 'rdma.json')).toEqual({
      resources: [
        {
          resource: 'rdma/hca_shared_devices_a',
          maxPods: 1000,
          selectors: { vendors: ['15b3'], devices: ['1017'], drivers: ['mlx5_core'], linkTypes: ['infiniband'] },
          interfaces: ['ib0', 'ib1'],
        },
        { resource: 'example.com/hca', maxPods: 5, selectors: {}, interfaces: ['ib0'] },
      ],
      issues: [],
      ignored: [],
    })
  })

  test.each<[object, RegExp]>([
    [{ resourceName: 'a' }, /rdmaHcaMax is missing/],
    [{ rdmaHcaMax: 5 }, /resourceName is missing/],
    [{ resourceName: 'a', rdmaHcaMax: 0 }, /rdmaHcaMax must be 1 or more/],
    [{ resourceName: 'a', rdmaHcaMax: '5' }, /rdmaHcaMax must be a whole number/],
    [
      { resourceName: 'a', rdmaHcaMax: 5, selectors: { pfNames: ['x'] } },
      /selectors\.pfNames is not known; known are vendors/,
    ],
    [{ resourceName: 'a', rdmaHcaMax: 5, selectors: { ifNames: 'x' } }, /selectors\.ifNames must be a list/],
    [{ resourceName: 'a', rdmaHcaMax: 5, selectors: { vendors: ['x'] } }, /selectors\.vendors must be a list/],
  ])('%j is refused by name', (entry, problem) => {
    const { resources, issues } = read(entry)
    expect(resources).toEqual([])
    expect(`${issues[0]?.key} ${issues[0]?.problem}`).toMatch(problem)
  })
})

describe('RDMA devices that pods share', () => {
  test('are offered as many times as pods may share them; each pod gets the same device files', async () => {
    const node = await poolNode(withHca(makeMachine()), { rdma: HCA })
    await node.sees(1000, 1000, 'rdma/hca')
    for (const pod of ['a', 'b']) {
      const { response } = await node.kubelet.admit(pod, 'rdma/hca', 1)
      expect(response.devices.map(({ hostPath }) => hostPath)).toEqual([
        '/dev/infiniband/uverbs0',
        '/dev/infiniband/rdma_cm',
      ])
    }
  })

  test('are those of the interfaces that the selectors name, also of those made by software', async () => {
    const world = makeMachine()
    world.folders.add('/sys/class/infiniband/rxe0')
    world.files.set('/sys/class/infiniband/rxe0/parent', `${PF}\n`)
    world.files.set('/sys/class/infiniband_verbs/uverbs7/ibdev', 'rxe0\n')
    world.files.set('/dev/infiniband/uverbs7', '')
    withHca(world, VF_ADDRESS, 'mlx5_9', 9)
    const node = await poolNode(world, { rdma: HCA })
    await node.sees(1000, 1000, 'rdma/hca')
    const { response } = await node.kubelet.admit('a', 'rdma/hca', 1)
    expect(response.devices.map(({ hostPath }) => hostPath)).toEqual([
      '/dev/infiniband/uverbs7',
      '/dev/infiniband/rdma_cm',
    ])
  })

  test('that are not there are offered with 0, and come later', async () => {
    const node = await poolNode(makeMachine(), { rdma: HCA })
    await node.sees(0, 0, 'rdma/hca')
    withHca(node.world)
    node.service.look()
    await node.sees(1000, 1000, 'rdma/hca')
  })

  test('are not handed out while the RDMA subsystem gives each device to one namespace', async () => {
    const world = withHca(makeMachine())
    world.files.set('/sys/module/ib_core/parameters/netns_mode', 'N\n')
    const node = await poolNode(world, { rdma: HCA })
    await node.sees(0, 1000, 'rdma/hca')
    await vi.waitFor(() =>
      expect(logged(node, /^warning: RDMA devices are not handed out .*exclusive mode/)).toHaveLength(1),
    )
  })

  test('whose name the other file has, too, are not offered: it is told once', async () => {
    const rdma = { configList: [{ resourceName: 'vfs', resourcePrefix: 'intel.com', rdmaHcaMax: 5 }] }
    const node = await poolNode(withHca(makeMachine()), { rdma })
    await node.sees(4, 4)
    node.service.look()
    await node.sees(4, 4)
    expect(logged(node, /^warning: both configuration files have these resources/)).toHaveLength(1)
  })
})
