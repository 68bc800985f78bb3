import { describe, expect, test, vi } from 'vitest'
import { promisedDevices } from '../../../src/state/promises.js'
import { call, codeOf, hostOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, PF, VF_ADDRESS } from '../../fakes/machine/machine.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { jsonOf, sriovctl } from '../operator/operator.js'
import { logged, type PoolNode, poolNode, RESOURCE } from './pool-node.js'

const THE_VF = { resourceName: 'vfs', selectors: [{ pciAddresses: [VF_ADDRESS] }] }
const INFO_FILE = `/var/run/k8s.cni.cncf.io/devinfo/dp/intel.com-vfs-${VF_ADDRESS}-device.json`

async function granted(world: FakeWorld, resource: object = THE_VF, name = RESOURCE) {
  const node = await poolNode(world, { conf: { resourceList: [resource] } })
  await node.sees(1, 1, name)
  const { response } = await node.kubelet.admit('uid-a', name, 1)
  const devices = response.devices.map(({ hostPath, containerPath, permissions }) => {
    expect(containerPath).toBe(hostPath)
    return `${hostPath} ${permissions}`
  })
  return { node, envs: response.envs, devices, response }
}

const infoOf = (envs: Readonly<Record<string, string>>): unknown =>
  JSON.parse(Object.entries(envs).find(([name]) => name.endsWith('_INFO'))?.[1] ?? '')

function onVfio(): FakeWorld {
  const world = makeMachine()
  world.vf(VF_ADDRESS).driver = 'vfio-pci'
  world.host.links.splice(
    world.host.links.findIndex(({ parentDevice }) => parentDevice === VF_ADDRESS),
    1,
  )
  world.files.set('/dev/vfio/22', '')
  return world
}

function withRdma(world: FakeWorld): FakeWorld {
  world.folders.add(`/sys/bus/pci/devices/${VF_ADDRESS}/infiniband/mlx5_3`)
  world.files.set('/sys/class/infiniband_verbs/uverbs3/ibdev', 'mlx5_3\n')
  world.files.set('/sys/class/infiniband_verbs/uverbs4/ibdev', 'mlx5_4\n')
  world.files.set('/sys/class/infiniband_mad/umad3/ibdev', 'mlx5_3\n')
  for (const name of ['uverbs3', 'uverbs4', 'umad3', 'rdma_cm']) {
    world.files.set(`/dev/infiniband/${name}`, '')
  }
  return world
}

const addAs = (world: FakeWorld, keys: object, uid = 'uid-a') =>
  call(world, 'ADD', netConf({ deviceID: undefined, ...keys }), {
    environment: { CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=${uid}` },
  })

test('a VF that an ADD takes while it is being promised is not handed out', async () => {
  const world = makeMachine()
  const node = await poolNode(world, { conf: { resourceList: [THE_VF] } })
  await node.sees(1, 1)
  const folder = '/var/lib/cni/sriov'
  const lock = `${folder}/pci/vf_lock/${VF_ADDRESS}.lock`
  const { set } = world.files
  world.files.set = (path, text) => {
    if (path === `${folder}/.promises/${VF_ADDRESS}`) {
      // The ADD has looked for a promise under its lock, and found none.
      world.locks.add(lock)
      world.clock.after(100, () => {
        set.call(world.files, `${folder}/.vf-${VF_ADDRESS}`, '{}')
        world.locks.delete(lock)
      })
    }
    return set.call(world.files, path, text)
  }
  await expect(node.kubelet.admit('uid-a', RESOURCE, 1)).rejects.toThrow('a pod has just got it')
  expect(promisedDevices(hostOf(world).files).size).toBe(0)
})

describe('a container gets', () => {
  test('the address of a VF of the kernel, and no device file', async () => {
    const { envs, devices } = await granted(makeMachine())
    expect(devices).toEqual([])
    expect(envs).toEqual({
      PCIDEVICE_INTEL_COM_VFS: VF_ADDRESS,
      PCIDEVICE_INTEL_COM_VFS_INFO: JSON.stringify({ [VF_ADDRESS]: { generic: { deviceID: VF_ADDRESS } } }),
    })
  })

  test('several addresses in the order in which kubelet names them', async () => {
    const node = await poolNode(makeMachine(), {
      conf: { resourceList: [{ resourceName: 'a-b_c', resourcePrefix: 'my-corp.io' }] },
    })
    await node.sees(4, 4, 'my-corp.io/a-b_c')
    const { response } = await node.kubelet.admit('uid-a', 'my-corp.io/a-b_c', 2)
    expect(response.envs.PCIDEVICE_MY_CORP_IO_A_B_C).toBe('0000:01:10.0,0000:01:10.2')
  })

  test('the vfio group of a VF on vfio-pci', async () => {
    const { envs, devices } = await granted(onVfio())
    expect(devices).toEqual(['/dev/vfio/vfio rw', '/dev/vfio/22 rw'])
    expect(infoOf(envs)).toEqual({
      [VF_ADDRESS]: {
        generic: { deviceID: VF_ADDRESS },
        vfio: { mount: '/dev/vfio/vfio', 'dev-mount': '/dev/vfio/22' },
      },
    })
  })

  test('the uio device of a VF on igb_uio', async () => {
    const world = onVfio()
    world.vf(VF_ADDRESS).driver = 'igb_uio'
    world.iommuGroups.clear()
    world.folders.add(`/sys/bus/pci/devices/${VF_ADDRESS}/uio/uio0`)
    const { envs, devices } = await granted(world)
    expect(devices).toEqual(['/dev/uio0 mrw'])
    expect(infoOf(envs)).toMatchObject({ [VF_ADDRESS]: { uio: { mount: '/dev/uio0' } } })
  })

  test('the RDMA devices of its VF and no others; issm need not be there', async () => {
    const { envs, devices } = await granted(withRdma(makeMachine()), { ...THE_VF, selectors: [{ isRdma: true }] })
    expect(devices).toEqual(['/dev/infiniband/uverbs3 rw', '/dev/infiniband/umad3 rw', '/dev/infiniband/rdma_cm rw'])
    expect(infoOf(envs)).toMatchObject({
      [VF_ADDRESS]: {
        rdma: {
          rdma_dev: 'mlx5_3',
          uverbs: '/dev/infiniband/uverbs3',
          umad: '/dev/infiniband/umad3',
          rdma_cm: '/dev/infiniband/rdma_cm',
        },
      },
    })
  })

  test('vhost-net and tun when asked', async () => {
    const world = makeMachine()
    world.files.set('/dev/vhost-net', '').set('/dev/net/tun', '')
    const { envs, devices, node } = await granted(world, {
      ...THE_VF,
      selectors: [{ pciAddresses: [VF_ADDRESS], needVhostNet: true }],
    })
    expect(devices).toEqual(['/dev/vhost-net rw', '/dev/net/tun rw'])
    expect(infoOf(envs)).toMatchObject({
      [VF_ADDRESS]: { vhost: { 'net-mount': '/dev/vhost-net', 'tun-mount': '/dev/net/tun' } },
    })
    expect(JSON.parse(node.world.files.get(INFO_FILE) ?? '')).toEqual({
      type: 'pci',
      version: '1.1.0',
      pci: { 'pci-address': VF_ADDRESS, 'pf-pci-address': '0000:01:00.0', 'vhost-net': '/dev/vhost-net' },
    })
  })

  test('additional information, that of its own device before that of all', async () => {
    const additionalInfo = { '*': { token: 'all', more: 'x' }, [VF_ADDRESS]: { token: 'own' } }
    const { envs } = await granted(makeMachine(), { ...THE_VF, additionalInfo })
    expect(infoOf(envs)).toMatchObject({ [VF_ADDRESS]: { extra: { token: 'own', more: 'x' } } })
  })

  test('names of the Container Device Interface instead of device files, where the resource says so', async () => {
    const { node, devices, response } = await granted(onVfio(), { ...THE_VF, cdi: true })
    expect(devices).toEqual([])
    expect(response.cdiDevices.map(({ name }) => name)).toEqual([`intel.com/vfs=${VF_ADDRESS}`])
    expect(
      JSON.parse(node.world.files.get(`/var/run/cdi/sriov-cni-intel.com_vfs-${VF_ADDRESS}.json`) ?? ''),
    ).toMatchObject({
      kind: 'intel.com/vfs',
      devices: [
        {
          name: VF_ADDRESS,
          containerEdits: {
            deviceNodes: [{ path: '/dev/vfio/vfio' }, { path: '/dev/vfio/22', hostPath: '/dev/vfio/22' }],
          },
        },
      ],
    })
  })
})

test('a boot empties the folder of CDI specifications: that of a device that a pod has is written again', async () => {
  const { node } = await granted(onVfio(), { ...THE_VF, cdi: true })
  const { files } = node.world
  const spec = `/var/run/cdi/sriov-cni-intel.com_vfs-${VF_ADDRESS}.json`
  const before = files.get(spec)
  expect(before).toContain('/dev/vfio/22')
  files.delete(spec)
  node.restart()
  await vi.waitFor(() => expect(files.get(spec)).toBe(before))
})

describe('Allocate says why not', () => {
  const refusal = async (world: FakeWorld, resource: object = THE_VF) => {
    const node = await poolNode(world, { conf: { resourceList: [resource] } })
    await node.sees(1, 1)
    const error = await node.kubelet.admit('uid-a', RESOURCE, 1).catch((reason: Error) => reason)
    expect(promisedDevices(hostOf(world).files).size).toBe(0)
    return String(error)
  }

  test('a device file that programs need is not there', async () => {
    const selectors = [{ pciAddresses: [VF_ADDRESS], needVhostNet: true }]
    expect(await refusal(makeMachine(), { ...THE_VF, selectors })).toContain('/dev/vhost-net is not on this node')
  })

  test('a VF that shares its IOMMU group is not given with what else is in it', async () => {
    const world = onVfio()
    world.iommuGroups.set(22, [VF_ADDRESS, '0000:01:10.6'])
    expect(await refusal(world)).toContain('its IOMMU group 22 has other devices, too')
  })

  test('a VF with a group of its own whose device file is missing', async () => {
    const world = onVfio()
    world.files.delete('/dev/vfio/22')
    expect(await refusal(world)).toContain('there is no /dev/vfio/22')
  })

  test('a VF that the host has begun to use since kubelet was told', async () => {
    const world = makeMachine()
    const node = await poolNode(world, { conf: { resourceList: [THE_VF] } })
    await node.sees(1, 1)
    Object.assign(world.link(world.host, `${PF}v2`), { hasXdp: true })
    await expect(node.kubelet.admit('uid-a', RESOURCE, 1)).rejects.toThrow(
      `${VF_ADDRESS} cannot be given now: the host uses it`,
    )
    await node.sees(0, 1)
  })
})

describe('a promise', () => {
  const promised = async (): Promise<PoolNode> => (await granted(makeMachine())).node

  test('keeps a VF from an ADD that chooses, before kubelet has written anything', async () => {
    const { world, kubelet } = await promised()
    world.files.delete(`${kubelet.folder}/device-plugins/kubelet_internal_checkpoint`)
    const answers = []
    for (const pod of ['a', 'b', 'c', 'd']) {
      world.addNetns(`/run/netns/${pod}`)
      answers.push(
        await call(world, 'ADD', netConf({ deviceID: undefined, master: PF }), {
          containerId: pod,
          netns: `/run/netns/${pod}`,
        }),
      )
    }
    expect(answers.map(codeOf)).toEqual([undefined, undefined, undefined, 11])
    expect(messageOf(answers[3] as (typeof answers)[0])).toContain(
      `VF 2 of ${PF} (${VF_ADDRESS}): kubelet's device plugin`,
    )
  })

  test('lets the pod that kubelet gave it to have the VF, and no other pod', async () => {
    const { world, kubelet } = await promised()
    world.files.set(
      `${kubelet.folder}/device-plugins/kubelet_internal_checkpoint`,
      JSON.stringify({ Data: { PodDeviceEntries: [{ PodUID: 'uid-a', DeviceIDs: { '-1': [VF_ADDRESS] } }] } }),
    )
    const refused = await addAs(world, { deviceID: VF_ADDRESS }, 'uid-b')
    expect([codeOf(refused), messageOf(refused)]).toEqual([
      7,
      expect.stringContaining('kubelet has given it to another pod'),
    ])
    expect((await addAs(world, { deviceID: VF_ADDRESS })).exitCode).toBe(0)
  })

  test('is shown by sriovctl status, with its resource and since when', async () => {
    const { world } = await promised()
    expect(jsonOf(await sriovctl(world, ['status', '--json']))).toMatchObject({
      vfs: [{}, {}, { state: 'reserved', promise: { resource: RESOURCE, since: '2026-01-01T00:00:00.000Z' } }, {}],
    })
    expect((await sriovctl(world, ['status'])).text).toMatch(
      /reserved +for a pod, as intel\.com\/vfs since 2026-01-01T00:00:00Z/,
    )
  })

  test('ends when kubelet counts the device as free, and the files about it go; not a moment earlier', async () => {
    const node = await promised()
    const { world, kubelet } = node
    const files = () => [promisedDevices(hostOf(world).files).has(VF_ADDRESS), world.files.has(INFO_FILE)]
    const look = async () => {
      node.service.look()
      await new Promise((resolve) => setTimeout(resolve, 60))
      return files()
    }
    expect(await look()).toEqual([true, true])
    await addAs(world, { deviceID: VF_ADDRESS })
    kubelet.end('uid-a')
    await world.clock.sleep(120_000)
    expect(await look()).toEqual([true, true])
    await call(world, 'DEL', netConf({ deviceID: VF_ADDRESS }))
    expect(await look()).toEqual([false, false])
    expect(logged(node, /^info: the promise has ended/)).toHaveLength(1)
  })

  test('that kubelet never used ends after a minute', async () => {
    const node = await promised()
    const { world, kubelet } = node
    kubelet.end('uid-a')
    node.service.look()
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(promisedDevices(hostOf(world).files).size).toBe(1)
    await world.clock.sleep(61_000)
    node.service.look()
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(promisedDevices(hostOf(world).files).size).toBe(0)
  })
})
