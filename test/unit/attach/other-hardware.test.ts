import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { IPAM } from '../../fakes/scenarios.js'

describe('a VF with an interface of IP over InfiniBand', () => {
  const ADDRESS = '80:00:02:08:fe:80:00:00:00:00:00:00:ec:0d:9a:03:00:c0:41:d4'
  const OTHER_GUID = '80:00:02:08:fe:80:00:00:00:00:00:00:ec:0d:9a:03:00:c0:41:ff'
  const CONF = netConf({ ...IPAM, spoofchk: 'off' })

  function infiniband(): FakeWorld {
    const world = makeMachine()
    world.link(world.host, VF_NAME).mac = ADDRESS
    return world
  }

  test('shows its 20 bytes, and comes back as it was', async () => {
    const world = infiniband()
    const before = snapshot(world)
    const conf = { ...CONF, selectors: undefined }
    expect(documentOf(await call(world, 'ADD', conf))).toMatchObject({ interfaces: [{ name: 'net1', mac: ADDRESS }] })
    expect(world.frames).toEqual([])
    expect(messageOf(await call(world, 'CHECK', conf))).toBe('')
    expect(messageOf(await call(world, 'DEL', conf))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('is the same after a reset, which changes all but its GUID', async () => {
    const world = infiniband()
    await call(world, 'ADD', CONF)
    const link = world.link(world.netns(POD_A), 'net1')
    link.mac = link.mac.replace('80:00:02:08', '80:00:02:19')
    expect(messageOf(await call(world, 'CHECK', CONF))).toBe('')
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(world.link(world.host, VF_NAME).mac).toContain('80:00:02:19')
  })

  test('refuses a MAC by its key', async () => {
    const world = infiniband()
    const before = snapshot(world)
    const answer = await call(world, 'ADD', netConf({ mac: '02:00:00:00:00:77' }))
    expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringMatching(/mac: ens1f0v2 .* is no Ethernet/)])
    expect(snapshot(world)).toEqual(before)
  })

  test('gets its GUID back from a pod that changed it', async () => {
    const world = infiniband()
    await call(world, 'ADD', CONF)
    world.link(world.netns(POD_A), 'net1').mac = OTHER_GUID
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(world.link(world.host, VF_NAME).mac).toBe(ADDRESS)
  })

  test('goes back without its GUID when the driver does not take it', async () => {
    const world = infiniband()
    const conf = netConf(IPAM)
    await call(world, 'ADD', conf)
    world.link(world.netns(POD_A), 'net1').mac = OTHER_GUID
    const isHome = () => world.host.links.some(({ parentDevice }) => parentDevice === VF_ADDRESS)
    const answer = await call(world, 'DEL', conf, {
      interfere: ({ what }, work, refuse) =>
        isHome() && what.startsWith('RTM_NEWLINK ') ? refuse('EOPNOTSUPP') : work(),
    })
    expect(messageOf(answer)).toBe('')
    expect(world.link(world.host, VF_NAME).mac).toBe(OTHER_GUID)
  })
})

describe('a VF on a variant of vfio-pci', () => {
  test('is taken for one of a program in user space by its vfio device', async () => {
    const world = makeMachine()
    world.pciDrivers.set('mlx5_vfio_pci', { makesNetdev: false })
    giveTo(world, VF_ADDRESS, 'mlx5_vfio_pci')
    world.folders.add(`/sys/bus/pci/devices/${VF_ADDRESS}/vfio-dev/vfio7`)
    const before = snapshot(world)
    const answer = documentOf(await call(world, 'ADD', netConf({ vlan: 5 })))
    expect(answer).toMatchObject({ interfaces: [{ name: 'net1', pciID: VF_ADDRESS }] })
    expect(messageOf(await call(world, 'DEL', netConf({ vlan: 5 })))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })
})
