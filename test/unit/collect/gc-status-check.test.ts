import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { failingAt } from '../../fakes/ipam.js'
import { makeLink } from '../../fakes/kernel/links.js'
import { IPAM_PATH, makeMachine, OTHER_VF_ADDRESS, POD_A, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const FULL = netConf({ ...ALL_SETTINGS, ...IPAM })
const AS_B = { containerId: 'pod-b', netns: POD_B }
const OTHER = netConf({ deviceID: OTHER_VF_ADDRESS, ...IPAM })
const known = (...names: string[]) =>
  netConf({
    ...IPAM,
    'cni.dev/valid-attachments': names.map((containerID) => ({ containerID, ifname: 'net1' })),
  })

async function twoPods() {
  const world = makeMachine()
  const before = snapshot(world)
  await call(world, 'ADD', FULL)
  const withA = snapshot(world)
  await call(world, 'ADD', OTHER, AS_B)
  return { world, before, withA }
}

describe('GC', () => {
  test('releases what the runtime does not know, lease included', async () => {
    const { world, withA } = await twoPods()
    expect(codeOf(await call(world, 'GC', known('pod-a')))).toBeUndefined()
    expect(snapshot(world)).toEqual(withA)
  })

  test('with an empty list releases everything of the network', async () => {
    const { world, before } = await twoPods()
    expect(codeOf(await call(world, 'GC', known()))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('reads the older spelling of the list', async () => {
    const { world, before } = await twoPods()
    expect(codeOf(await call(world, 'GC', netConf({ 'cni.dev/attachments': [] })))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('leaves other networks alone', async () => {
    const { world } = await twoPods()
    const both = snapshot(world)
    const conf = { ...known(), name: 'another-net' }
    expect(codeOf(await call(world, 'GC', conf))).toBeUndefined()
    expect(snapshot(world)).toEqual(both)
  })

  test('without a list releases only what is provably dead', async () => {
    const { world } = await twoPods()
    world.removeNetns(POD_B)
    expect(codeOf(await call(world, 'GC', netConf(IPAM)))).toBeUndefined()
    expect([...world.leases.keys()]).toEqual(['pod-a net1'])
    expect(world.link(world.netns(POD_A), 'net1').parentDevice).toBe(VF_ADDRESS)
  })

  test('goes on after a failure and names it', async () => {
    const { world } = await twoPods()
    world.programs.set(IPAM_PATH, failingAt('DEL', { code: 150, msg: 'the pool is locked' }))
    const answer = await call(world, 'GC', known())
    expect(codeOf(answer)).toBe(109)
    expect(messageOf(answer)).toContain('pod-a')
    expect(messageOf(answer)).toContain('pod-b')
  })

  test('tolerates an IPAM plugin that does not speak the version', async () => {
    const { world } = await twoPods()
    world.programs.set(IPAM_PATH, failingAt('DEL', { code: 1, msg: 'no' }))
    expect(codeOf(await call(world, 'GC', known()))).toBeUndefined()
  })
})

describe('STATUS', () => {
  test('succeeds when every VF is taken', async () => {
    const { world } = await twoPods()
    expect(await call(world, 'STATUS', netConf())).toMatchObject({ exitCode: 0, stdout: '' })
  })

  test('fails with code 50 when the state folder cannot be made', async () => {
    const world = makeMachine()
    world.files.set('/var/lib/cni/sriov', '')
    expect(codeOf(await call(world, 'STATUS', netConf()))).toBe(50)
  })
})

describe('STATUS of a configuration that names', () => {
  test.each([
    [{ deviceID: '0000:99:00.0' }, '0000:99:00.0'],
    [{ deviceID: undefined, master: 'ens9f0' }, 'ens9f0'],
  ])('%j says that it is not there', async (keys, words) => {
    const answer = await call(makeMachine(), 'STATUS', netConf(keys))
    expect([codeOf(answer), messageOf(answer)]).toEqual([50, expect.stringContaining(words)])
  })

  test.each([{ deviceID: undefined, master: 'ens1f0' }, { deviceID: undefined }])('%j succeeds', async (keys) => {
    expect(codeOf(await call(makeMachine(), 'STATUS', netConf(keys)))).toBeUndefined()
  })
})

describe('CHECK', () => {
  const change = (what: string, spoil: (world: ReturnType<typeof makeMachine>) => void, words: string) =>
    [what, spoil, words] as const
  const link = (world: ReturnType<typeof makeMachine>) => world.link(world.netns(POD_A), 'net1')

  test.each([
    change('down', (world) => Object.assign(link(world), { isUp: false }), 'net1 is down'),
    change('MTU', (world) => Object.assign(link(world), { mtu: 1300 }), 'MTU is 1300'),
    change('MAC', (world) => Object.assign(link(world), { mac: '02:00:00:00:00:01' }), 'MAC is 02:00:00:00:00:01'),
    change('addresses', (world) => link(world).addresses.pop(), '2001:db8::5/64'),
    change(
      'device',
      (world) => {
        link(world).name = 'x'
        world.netns(POD_A).links.push(makeLink({ name: 'net1', parentDevice: OTHER_VF_ADDRESS }))
      },
      `not the VF ${VF_ADDRESS}`,
    ),
    change('PF', (world) => void world.cards.splice(0), 'ens1f0'),
    change('name', (world) => Object.assign(link(world), { name: 'x' }), 'no interface net1'),
    change('vlan', (world) => Object.assign(world.vf(VF_ADDRESS).settings, { vlan: 9 }), 'vlan 100'),
    change('trust', (world) => Object.assign(world.vf(VF_ADDRESS).settings, { trust: false }), 'trust on'),
    change('rates', (world) => Object.assign(world.vf(VF_ADDRESS).settings, { maxTxRateMbps: 1 }), 'max_tx_rate 200'),
    change('lease', (world) => world.leases.clear(), 'has no lease'),
    change('driver', (world) => Object.assign(world.vf(VF_ADDRESS), { driver: 'vfio-pci' }), 'driver'),
  ])('reports a changed %s', async (_what, spoil, words) => {
    const { world } = await twoPods()
    spoil(world)
    const answer = await call(world, 'CHECK', FULL)
    expect(messageOf(answer)).toContain(words)
  })

  test('does not miss an MTU that no key asked for: a later plugin of the list may have set another', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf())
    Object.assign(link(world), { mtu: 9000 })
    expect(messageOf(await call(world, 'CHECK', netConf()))).toBe('')
  })

  test('fails without a record', async () => {
    expect(codeOf(await call(makeMachine(), 'CHECK', FULL))).toBe(108)
  })

  test('does not miss a default route that somebody removed', async () => {
    const { world } = await twoPods()
    link(world).routes = []
    expect(codeOf(await call(world, 'CHECK', FULL))).toBeUndefined()
  })

  test('compares the result that the runtime sends as prevResult', async () => {
    const { world } = await twoPods()
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'net1', sandbox: POD_A }],
      ips: [{ address: '10.56.0.77/24', interface: 0 }],
    }
    expect(codeOf(await call(world, 'CHECK', { ...FULL, prevResult }))).toBe(108)
  })
})
