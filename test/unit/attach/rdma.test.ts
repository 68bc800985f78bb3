import { describe, expect, test } from 'vitest'
import { RDMA_NLDEV_SET } from '../../../src/netlink/rdma.js'
import { locateDevice } from '../../../src/sriov/device/locate.js'
import { rescueVf } from '../../../src/sriov/give-back/rescue.js'
import { call, callHostAs, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { type Effect, refuseAt } from '../../fakes/machine/interference.js'
import { makeMachine, PF, PF_ADDRESS, POD_A, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'

const DIFFERS = 108
const NOT_GIVEN_BACK = 109

function machine(isExclusive = true) {
  const world = makeMachine()
  if (isExclusive) {
    world.makeRdmaExclusive()
  }
  world.addRdma('mlx5_0', PF_ADDRESS)
  return { world, device: world.addRdma('mlx5_3', VF_ADDRESS), before: snapshot(world) }
}

const pod = (world: FakeWorld) => world.netns(POD_A)

describe('the RDMA device of a VF', () => {
  test.each([[{}], [{ rdma: true }]])(
    'goes into the pod and comes back, where each has one namespace: %j',
    async (keys) => {
      const { world, device, before } = machine()
      expect(codeOf(await call(world, 'ADD', netConf(keys)))).toBeUndefined()
      expect(device.netns).toBe(pod(world))
      expect(world.rdma.devices[0]?.netns).toBe(world.host)
      expect(codeOf(await call(world, 'CHECK', netConf(keys)))).toBeUndefined()
      expect(codeOf(await call(world, 'DEL', netConf(keys)))).toBeUndefined()
      expect(snapshot(world)).toEqual(before)
    },
  )

  test.each([
    ['all namespaces share it', false, { rdma: true }],
    ['the configuration says so', true, { rdma: false }],
  ] as const)('stays on the host when %s', async (_why, isExclusive, keys) => {
    const { world, device, before } = machine(isExclusive)
    expect(codeOf(await call(world, 'ADD', netConf(keys)))).toBeUndefined()
    expect(device.netns).toBe(world.host)
    await call(world, 'DEL', netConf(keys))
    expect(snapshot(world)).toEqual(before)
  })

  test('is missed by name, and nothing is changed, when there is none and the configuration wants one', async () => {
    const world = makeMachine()
    const before = snapshot(world)
    const answer = await call(world, 'ADD', netConf({ rdma: true }))
    expect(codeOf(answer)).toBe(101)
    expect(messageOf(answer)).toMatch(
      /^rdma: VF 2 of ens1f0 \(0000:01:10\.4\) has no RDMA device; .* \(ablevf\) loaded\?/,
    )
    expect(snapshot(world)).toEqual(before)
  })

  test('is not to be had beside dpdk', async () => {
    const answer = await call(makeMachine(), 'ADD', netConf({ rdma: true, dpdk: { dpdk_driver: 'vfio-pci' } }))
    expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringContaining('rdma')])
  })

  test('gets its old name back, whatever the pod called it', async () => {
    const { world, device, before } = machine()
    await call(world, 'ADD', netConf())
    device.name = 'mlx5_1'
    expect(codeOf(await call(world, 'CHECK', netConf()))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', netConf()))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps another name where somebody has its old one by now, and the log says so', async () => {
    const { world, device } = machine()
    await call(world, 'ADD', netConf())
    device.name = 'data0'
    world.addRdma('mlx5_3', '0000:05:00.0')
    expect(codeOf(await call(world, 'DEL', netConf()))).toBeUndefined()
    expect([device.name, device.netns]).toEqual(['data0', world.host])
    expect(world.log.filter((line) => line.startsWith('warning'))).toEqual([
      expect.stringContaining('cannot have its old name'),
    ])
  })

  test.each([0, 300])('comes home by itself when the namespace ends, after %i ms', async (cleanupMs) => {
    const { world, device } = machine()
    await call(world, 'ADD', netConf())
    device.name = 'mlx5_9'
    world.removeNetns(POD_A, cleanupMs)
    expect(codeOf(await call(world, 'DEL', netConf()))).toBeUndefined()
    expect([device.name, device.netns]).toEqual(['mlx5_3', world.host])
  })

  test('is fetched from a namespace that has lost its path', async () => {
    const { world, device } = machine()
    await call(world, 'ADD', netConf())
    world.unmountNetns(POD_A, 4711)
    expect(codeOf(await call(world, 'DEL', netConf()))).toBeUndefined()
    expect(device.netns).toBe(world.host)
  })

  test('is no reason to keep the VF when the driver has made another one meanwhile, or none', async () => {
    for (const again of [true, false]) {
      const { world } = machine()
      await call(world, 'ADD', netConf())
      world.rdma.devices.pop()
      if (again) {
        world.addRdma('rocep1s0f0v2', VF_ADDRESS)
      }
      expect(codeOf(await call(world, 'DEL', netConf()))).toBeUndefined()
      expect(world.rdma.devices.map(({ name }) => name)).toEqual(again ? ['mlx5_0', 'mlx5_3'] : ['mlx5_0'])
    }
  })

  test('is named when nobody can see where it is; the interface is home, and the next DEL goes on', async () => {
    const { world, device, before } = machine()
    await call(world, 'ADD', netConf())
    // The pod has handed it to a namespace that only one of its processes has.
    const hidden = world.addNetns('/hidden')
    world.namespaces.delete('/hidden')
    device.netns = hidden
    const answer = await call(world, 'DEL', netConf())
    expect(codeOf(answer)).toBe(NOT_GIVEN_BACK)
    expect(messageOf(answer)).toContain('the RDMA device mlx5_3 of VF 2 of ens1f0')
    expect(world.link(world.host, 'ens1f0v2').isUp).toBe(false)
    device.netns = world.host
    expect(codeOf(await call(world, 'DEL', netConf()))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('that is not in the pod any more is told by CHECK', async () => {
    const { world, device } = machine()
    await call(world, 'ADD', netConf())
    device.netns = world.host
    const answer = await call(world, 'CHECK', netConf())
    expect([codeOf(answer), messageOf(answer)]).toEqual([DIFFERS, expect.stringContaining('its RDMA device mlx5_3')])
  })

  const isMove = ({ kind, what }: Effect) => kind === 'netlink' && what.startsWith(String(RDMA_NLDEV_SET))

  test('that its driver does not move stays on the host, and the log says so', async () => {
    const { world, before } = machine()
    const answer = await call(world, 'ADD', netConf(), { interfere: refuseAt(isMove, 0, 'EOPNOTSUPP') })
    expect(codeOf(answer)).toBeUndefined()
    expect(world.log.filter((line) => line.startsWith('warning'))).toEqual([
      expect.stringContaining('the RDMA device stays on the host'),
    ])
    expect(codeOf(await call(world, 'CHECK', netConf()))).toBeUndefined()
    await call(world, 'DEL', netConf())
    expect(snapshot(world)).toEqual(before)
  })

  test.each([
    ['ENODEV', 'the namespace ends between two requests'],
    ['EINVAL', 'it is away already'],
  ])('is waited for when the kernel says %s: %s', async (errno) => {
    const { world, before } = machine()
    await call(world, 'ADD', netConf())
    expect(codeOf(await call(world, 'DEL', netConf(), { interfere: refuseAt(isMove, 0, errno) }))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('that somebody else has keeps the VF from the next pod; repair brings it back', async () => {
    const { world, device } = machine()
    device.netns = pod(world)
    const answer = await call(world, 'ADD', netConf(), { netns: POD_B })
    expect([codeOf(answer), messageOf(answer)]).toEqual([
      101,
      'the RDMA device of VF 2 of ens1f0 (0000:01:10.4) is in another network namespace; sriovctl repair 0000:01:10.4 brings it back ("rdma": false does without it)',
    ])
    const link = `net:[${pod(world).inode}]`
    world.files.set('/proc/self/mountinfo', `39 29 0:4 ${link} ${POD_A} rw shared:9 - nsfs nsfs rw\n`)
    expect(await rescueVf(callHostAs(world, {}), locateDevice(callHostAs(world, {}).files, VF_ADDRESS))).toContain(
      `its RDMA device mlx5_3 came from ${POD_A}`,
    )
    expect(device.netns).toBe(world.host)
    expect(codeOf(await call(world, 'ADD', netConf(), { netns: POD_B }))).toBeUndefined()
  })

  test('that its driver does not move fails an ADD that wants it, with everything undone', async () => {
    const { world, before } = machine()
    const refused = refuseAt(isMove, 0, 'EOPNOTSUPP')
    const answer = await call(world, 'ADD', netConf({ rdma: true }), { interfere: refused })
    expect(messageOf(answer)).toBe(
      `Cannot move the RDMA device into ${POD_A} on mlx5_3 (${VF_ADDRESS}) (driver ablevf): EOPNOTSUPP`,
    )
    expect(snapshot(world)).toEqual(before)
  })

  test('of a PF goes with the PF', async () => {
    const { world, before } = machine()
    const { deviceID: _named, ...conf } = netConf({ master: PF, pfOnly: true }) as Record<string, unknown>
    expect(codeOf(await call(world, 'ADD', conf))).toBeUndefined()
    expect(world.rdma.devices.map(({ netns }) => netns)).toEqual([pod(world), world.host])
    await call(world, 'DEL', conf)
    expect(snapshot(world)).toEqual(before)
  })
})
