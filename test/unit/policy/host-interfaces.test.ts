import { describe, expect, test } from 'vitest'
import { addAddressRequest } from '../../../src/rtnl/address.js'
import { openRtnl } from '../../../src/rtnl/connection.js'
import { addRouteRequest } from '../../../src/rtnl/route.js'
import { call, codeOf, hostOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, PF, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'

const OF_PF = { deviceID: undefined, master: PF }

/** The host sets something on an interface of its own. */
async function set(
  world: FakeWorld,
  name: string,
  { addresses = [], routes = [] }: { addresses?: string[]; routes?: string[] },
) {
  const link = world.link(world.host, name)
  link.isUp = true
  using rtnl = openRtnl(hostOf(world))
  for (const address of addresses) {
    await rtnl.change(addAddressRequest(link.index, name, address))
  }
  for (const dst of routes) {
    await rtnl.change(addRouteRequest(link.index, name, { dst }))
  }
}

const USES: readonly (readonly [string, (world: FakeWorld, name: string) => void | Promise<void>, string])[] = [
  ['an address', (world, name) => set(world, name, { addresses: ['192.0.2.7/24'] }), 'has the address 192.0.2.7/24'],
  [
    'an IPv6 address',
    (world, name) => set(world, name, { addresses: ['2001:db8::7/64'] }),
    'has the address 2001:db8:',
  ],
  ['a route', (world, name) => set(world, name, { routes: ['198.51.100.0/24'] }), 'has the route 198.51.100.0/24'],
  ['a bridge above it', (world, name) => void world.folders.add(`/sys/class/net/${name}/upper_br0`), 'is part of br0'],
  [
    'an XDP program',
    (world, name) => {
      world.link(world.host, name).hasXdp = true
    },
    'has an XDP program',
  ],
]

describe.each(USES)('an interface with %s', (_what, use, text) => {
  test('is not given when its VF is named', async () => {
    const world = makeMachine()
    await use(world, VF_NAME)
    const before = snapshot(world)
    const answer = await call(world, 'ADD', netConf())
    expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringContaining(`${VF_NAME} ${text}`)])
    expect(messageOf(answer)).toContain('"hostInterfaces": false is the default; /etc/sriov-cni/policy.json')
    expect(snapshot(world)).toEqual(before)
  })

  test('is passed over when one is chosen', async () => {
    const world = makeMachine()
    await use(world, `${PF}v0`)
    expect(messageOf(await call(world, 'ADD', netConf(OF_PF)))).toBe('')
    expect(world.link(world.netns(POD_A), 'net1').parentDevice).toBe('0000:01:10.2')
  })

  test.each([PF, `${PF}v3`])('keeps its PF from being taken as a whole: %s', async (name) => {
    const world = makeMachine()
    await use(world, name)
    const answer = await call(world, 'ADD', netConf({ ...OF_PF, pfOnly: true }))
    expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringContaining(`${name} ${text}`)])
  })
})

test.each([
  ['0x010802', false],
  ['0x030000', false],
  ['0x0c0330', false],
  ['0x020000', true],
  ['0x020700', true],
  ['0x0b4000', true],
  ['0x120000', true],
])('a function without a PF is given by its class: %s', async (text, isGiven) => {
  const world = makeMachine()
  world.symlinks.set(`/sys/bus/pci/devices/${VF_ADDRESS}/physfn`, '')
  world.files.set(`/sys/bus/pci/devices/${VF_ADDRESS}/class`, `${text}\n`)
  const answer = await call(world, 'ADD', netConf({ dpdk: { dpdk_driver: 'vfio-pci' } }))
  expect([codeOf(answer), messageOf(answer)]).toEqual(
    isGiven ? [undefined, ''] : [101, expect.stringContaining(`is no network device (its PCI class is ${text})`)],
  )
})

test('an interface with link-local addresses only is given', async () => {
  const world = makeMachine()
  await set(world, VF_NAME, { addresses: ['fe80::1/64', '169.254.1.1/16'] })
  expect(messageOf(await call(world, 'ADD', netConf()))).toBe('')
})

describe('with hostInterfaces', () => {
  test.each(['an interface', 'dpdk'])('%s comes back with its addresses and routes', async (kind) => {
    const world = makeMachine()
    setPolicy(world, { hostInterfaces: true })
    await set(world, VF_NAME, {
      addresses: ['192.0.2.7/24', '2001:db8::7/64'],
      routes: ['198.51.100.0/24', '0.0.0.0/0'],
    })
    const before = snapshot(world)
    const conf = netConf(kind === 'dpdk' ? { dpdk: { dpdk_driver: 'vfio-pci' } } : {})
    expect(messageOf(await call(world, 'ADD', conf))).toBe('')
    expect(world.host.links.some(({ parentDevice }) => parentDevice === VF_ADDRESS)).toBe(false)
    expect(messageOf(await call(world, 'DEL', conf))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })
})

describe("kubelet's checkpoint", () => {
  const CHECKPOINT = '/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint'
  const entry = (PodUID: string, ids: unknown) => ({ PodUID, ContainerName: 'c', ResourceName: 'r', DeviceIDs: ids })
  const write = (world: FakeWorld, entries: object[], path = CHECKPOINT) =>
    world.files.set(
      path,
      JSON.stringify({ Data: { PodDeviceEntries: entries, RegisteredDevices: { r: [VF_ADDRESS] } }, Checksum: 1 }),
    )
  const asPod = (uid: string) => ({ environment: { CNI_ARGS: `K8S_POD_UID=${uid}` } })

  test.each([{ '-1': [VF_ADDRESS] }, [VF_ADDRESS]])('keeps a VF of another pod: %j', async (ids) => {
    const world = makeMachine()
    write(world, [entry('uid-a', ids)])
    const answer = await call(world, 'ADD', netConf(), asPod('uid-b'))
    expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringContaining('kubelet has given it to another')])
    expect(messageOf(await call(world, 'ADD', netConf(), asPod('uid-a')))).toBe('')
  })

  test('in another folder is found where the policy says', async () => {
    const world = makeMachine()
    setPolicy(world, { kubeletFolder: '/var/lib/k0s/kubelet' })
    write(world, [entry('uid-a', { 0: [VF_ADDRESS] })], CHECKPOINT.replace('/var/lib/', '/var/lib/k0s/'))
    expect(codeOf(await call(world, 'ADD', netConf(), asPod('uid-b')))).toBe(7)
  })

  test.each(['', '{', '[]', '{"Data":5}', '{"Data":{"RegisteredDevices":"x"}}', '{"V2":{}}'])(
    'that cannot be understood lets nobody choose: %s',
    async (text) => {
      const world = makeMachine()
      world.files.set(CHECKPOINT, text)
      const answer = await call(world, 'ADD', netConf(OF_PF))
      expect([codeOf(answer), messageOf(answer)]).toEqual([11, expect.stringContaining(CHECKPOINT)])
      expect(messageOf(await call(world, 'ADD', netConf()))).toBe('')
    },
  )
})
