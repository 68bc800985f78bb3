import { expect, test } from 'vitest'
import { call, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, OTHER_VF_ADDRESS, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
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
