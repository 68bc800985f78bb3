import { expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, OTHER_VF_ADDRESS, PF, POD_B, VF_ADDRESS, VF_INDEX } from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'
import { jsonOf, sriovctl } from './operator.js'

const FILE = '/tmp/10.conf'

function explained(world: FakeWorld, keys: object, ...words: string[]) {
  world.files.set(FILE, JSON.stringify({ cniVersion: '1.1.0', name: 'lab', type: 'sriov', ...keys }, undefined, 2))
  return sriovctl(world, ['explain', FILE, ...words])
}

test('tells which VF a pod would get, what its PF is told, and why not the others', async () => {
  const world = makeMachine()
  await call(world, 'ADD', netConf({ deviceID: '0000:01:10.0' }))
  const now = () => ({ ...snapshot(world), files: {} })
  const before = now()
  const { exitCode, text } = await explained(world, { master: 'ens1f0', vlan: 100, trust: 'on' })
  expect(exitCode).toBe(0)
  expect(text).toMatch(/^lab \(\/tmp\/10\.conf\): a pod would get VF 1 of ens1f0 \(0000:01:10\.2\)\n/)
  expect(text).toContain('its PF would be told: set vlan 100 (vlanQoS 0, vlanProto 802.1q), set trust on')
  expect(text).toMatch(/not VF 0 of ens1f0 \(0000:01:10\.0\): container pod-a/)
  expect(now()).toEqual(before)
})

test('the ADD then does what was told', async () => {
  const world = makeMachine()
  await call(world, 'ADD', netConf({ deviceID: '0000:01:10.0' }))
  const keys = { selectors: { pfNames: ['ens1f0#1-3'] } }
  const { networks } = jsonOf(await explained(world, keys, '--json')) as { networks: [{ device: string }] }
  const { deviceID: _named, ...rest } = netConf(keys) as Record<string, unknown>
  const added = await call(world, 'ADD', rest, { containerId: 'pod-b', netns: POD_B })
  expect(messageOf(added)).toBe('')
  expect(networks[0].device).toContain(OTHER_VF_ADDRESS)
  expect(world.files.has(`/var/lib/cni/sriov/.vf-${OTHER_VF_ADDRESS}`)).toBe(true)
})

test.each<readonly [string, object, RegExp]>([
  ['a wrong key', { master: 'ens1f0', vlan: 5000 }, /no ADD would succeed\n {2}\/tmp\/10\.conf:6: vlan: /],
  ['a PF that is not there', { master: 'ens9f9' }, /no ADD would succeed\n {2}master: there is no interface ens9f9/],
  ['a device that is in use', { deviceID: VF_ADDRESS }, /no device\n {2}not VF 2 of ens1f0 .*container pod-a/],
])('an ADD that would fail is told so: %s', async (_what, keys, told) => {
  const world = makeMachine()
  await call(world, 'ADD', netConf())
  const { exitCode, text } = await explained(world, keys)
  expect(exitCode).toBe(1)
  expect(text).toMatch(told)
})

const NAD = (keys: object) =>
  JSON.stringify({
    apiVersion: 'k8s.cni.cncf.io/v1',
    kind: 'NetworkAttachmentDefinition',
    metadata: { name: 'fast', annotations: { 'k8s.v1.cni.cncf.io/resourceName': 'example.com/sriov' } },
    spec: { config: JSON.stringify({ cniVersion: '1.0.0', type: 'sriov', ...keys }) },
  })

async function explainedDefinition(text: string, ...words: string[]) {
  const world = makeMachine()
  world.files.set('/tmp/nad.json', text)
  return sriovctl(world, ['explain', '/tmp/nad.json', ...words], true)
}

test('a network whose device kubelet chooses is right, and not red', async () => {
  const { exitCode, text } = await explainedDefinition(NAD({ vlan: 100 }))
  expect(text).toBe(
    'fast (/tmp/nad.json): kubelet chooses the device among those of its resource; everything else is right\n',
  )
  expect(exitCode).toBe(0)
  expect(jsonOf(await explainedDefinition(NAD({ vlan: 100 }), '--json'))).toMatchObject({
    networks: [{ isFromDevicePlugin: true, device: null, problems: [], writes: [] }],
  })
  expect(await explainedDefinition(NAD({ vlan: 5000 }))).toMatchObject({
    exitCode: 1,
    text: expect.stringContaining('no ADD would succeed'),
  })
})

test('a file without a configuration of this plugin is told, with exit code 1', async () => {
  expect(await explained(makeMachine(), { type: 'bridge' })).toEqual({
    exitCode: 1,
    text: '/tmp/10.conf: there is no configuration of this plugin\n',
  })
})

/** Each makes the machine on which the ADD fails, and says with which keys. */
const FAILURES: readonly (readonly [string, number, RegExp, (world: FakeWorld) => object | Promise<object>])[] = [
  [
    'a policy that cannot be used',
    7,
    /no ADD would succeed\n {2}\/tmp\/10\.conf:4: the policy of this node cannot be used.*what/,
    (world) => {
      setPolicy(world, { what: 1 })
      return { deviceID: VF_ADDRESS }
    },
  ],
  [
    'rates that exclude each other',
    7,
    /no ADD would succeed\n {2}\/tmp\/10\.conf:6: min_tx_rate: 500 is above the max_tx_rate 100 that the VF has/,
    (world) => {
      Object.assign(world.vf(VF_ADDRESS).settings, { maxTxRateMbps: 100 })
      return { deviceID: VF_ADDRESS, min_tx_rate: 500 }
    },
  ],
  [
    'an MTU above the maximum of the device',
    7,
    /no ADD would succeed\n {2}\/tmp\/10\.conf:6: mtu: 9500 is above the 9000 /,
    () => ({ deviceID: VF_ADDRESS, mtu: 9500 }),
  ],
  [
    'a MAC that another VF has',
    7,
    /no ADD would succeed\n {2}\/tmp\/10\.conf:6: mac: 02:00:00:00:00:77 is the MAC of VF 0 of ens1f0 already/,
    async (world) => {
      const mac = '02:00:00:00:00:77'
      await call(world, 'ADD', netConf({ deviceID: '0000:01:10.0', mac }))
      return { deviceID: VF_ADDRESS, mac }
    },
  ],
  [
    'a VF without a driver',
    101,
    /no device\n {2}not VF 2 of ens1f0 \(0000:01:10\.4\): .*is bound to no driver/,
    (world) => {
      giveTo(world, VF_ADDRESS, undefined)
      return { deviceID: VF_ADDRESS }
    },
  ],
  [
    'a PF of which a pod has a VF',
    102,
    /no device\n {2}not device .*: its VF 0000:01:10\.4: container pod-a/,
    async (world) => {
      await call(world, 'ADD', netConf())
      return { master: PF, pfOnly: true }
    },
  ],
  [
    'a PF of which a program has a VF',
    102,
    /no device\n {2}not device .*: its VF 0000:01:10\.4: process 4711 \(qemu\)/,
    (world) => {
      giveTo(world, VF_ADDRESS, 'vfio-pci')
      world.symlinks.set('/proc/4711/fd/9', '/dev/vfio/22')
      world.files.set('/proc/4711/comm', 'qemu\n')
      return { master: PF, pfOnly: true }
    },
  ],
]

test.each(FAILURES)('the ADD fails, and explain says why: %s', async (_what, code, told, prepare) => {
  const world = makeMachine()
  const keys = await prepare(world)
  const before = { ...snapshot(world), files: {} }
  const { exitCode, text } = await explained(world, keys)
  expect(text).toMatch(told)
  expect(text).not.toContain('would be told')
  expect(exitCode).toBe(1)
  expect({ ...snapshot(world), files: {} }).toEqual(before)
  const added = await call(world, 'ADD', netConf({ deviceID: undefined, ...keys }), {
    containerId: 'pod-b',
    netns: POD_B,
  })
  expect(codeOf(added)).toBe(code)
})

test('a VF named by its index on a driver for user space is given as it is, as the ADD does', async () => {
  const world = makeMachine()
  giveTo(world, VF_ADDRESS, 'vfio-pci')
  const keys = { master: PF, vf: VF_INDEX }
  const { exitCode, text } = await explained(world, keys)
  expect(text).toContain('a pod would get VF 2 of ens1f0')
  expect(exitCode).toBe(0)
  expect(messageOf(await call(world, 'ADD', netConf({ deviceID: undefined, ...keys })))).toBe('')
})
