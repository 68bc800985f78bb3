import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, OTHER_VF_ADDRESS, POD_A, POD_B, VF_ADDRESS } from '../../fakes/machine.js'
import { SCENARIOS, type Scenario } from '../../fakes/scenarios.js'
import { snapshot } from '../../fakes/snapshot.js'
import type { FakeWorld } from '../../fakes/world.js'

const RECORD = '/var/lib/cni/sriov/pod-a-net1'
const CLAIM = `/var/lib/cni/sriov/.vf-${VF_ADDRESS}`
const AS_B = { containerId: 'pod-b', netns: POD_B }

const DAMAGES: readonly (readonly [string, (text: string) => string | undefined])[] = [
  ['removed', () => undefined],
  ['emptied', () => ''],
  ['cut off', (text) => text.slice(0, text.length / 2)],
  ['overwritten', () => 'garbage'],
]

function damage({ files }: FakeWorld, path: string, spoil: (text: string) => string | undefined): void {
  const text = spoil(files.get(path) ?? '')
  if (text === undefined) {
    files.delete(path)
  } else {
    files.set(path, text)
  }
}

async function attached({ make, conf }: Scenario) {
  const world = make()
  const before = snapshot(world)
  expect(codeOf(await call(world, 'ADD', netConf(conf)))).toBeUndefined()
  return { world, before }
}

describe.each(SCENARIOS)('an attachment with $name whose record was', (scenario) => {
  const conf = netConf(scenario.conf)

  test.each(DAMAGES)('%s is given back by DEL', async (_how, spoil) => {
    const { world, before } = await attached(scenario)
    damage(world, RECORD, spoil)
    expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(DAMAGES)('%s is given back by GC once the runtime does not know it', async (_how, spoil) => {
    const { world, before } = await attached(scenario)
    damage(world, RECORD, spoil)
    const known = { 'cni.dev/valid-attachments': [{ containerID: 'pod-a', ifname: 'net1' }] }
    const { vfs } = snapshot(world)
    expect(codeOf(await call(world, 'GC', { ...conf, ...known }))).toBeUndefined()
    expect(snapshot(world).vfs).toEqual(vfs)
    expect(codeOf(await call(world, 'GC', { ...conf, 'cni.dev/valid-attachments': [] }))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(DAMAGES)('%s keeps its VF while its pod is alive', async (_how, spoil) => {
    const { world } = await attached(scenario)
    damage(world, RECORD, spoil)
    const { vfs, namespaces } = snapshot(world)
    const answer = await call(world, 'ADD', conf, AS_B)
    expect([codeOf(answer), messageOf(answer)]).toEqual([
      102,
      expect.stringContaining('container pod-a interface net1'),
    ])
    expect(snapshot(world)).toMatchObject({ vfs, namespaces })
  })

  test.each(DAMAGES)('%s gives its VF to the next pod once its own is dead', async (_how, spoil) => {
    const { world } = await attached(scenario)
    damage(world, RECORD, spoil)
    world.removeNetns(POD_A)
    expect(codeOf(await call(world, 'ADD', conf, AS_B))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', conf, { netns: '' }))).toBeUndefined()
    expect(world.netns(POD_B).links.map(({ name }) => name)).toContain('net1')
    expect(codeOf(await call(world, 'DEL', conf, AS_B))).toBeUndefined()
    const untouched = scenario.make()
    untouched.removeNetns(POD_A)
    expect(snapshot(world)).toEqual(snapshot(untouched))
  })

  test.each(DAMAGES)('kept while its claim was %s is given back by DEL', async (_how, spoil) => {
    const { world, before } = await attached(scenario)
    damage(world, CLAIM, spoil)
    expect(codeOf(await call(world, 'ADD', conf, AS_B))).toBe(102)
    expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })
})

test('a record that was lost, and an ADD that came again for another VF: DEL and GC give both back', async () => {
  const world = makeMachine()
  const before = snapshot(world)
  await call(world, 'ADD', netConf({ vlan: 5 }))
  world.files.delete(RECORD)
  world.link(world.netns(POD_A), 'net1').name = 'old'
  expect(codeOf(await call(world, 'ADD', netConf({ deviceID: OTHER_VF_ADDRESS })))).toBeUndefined()
  expect(codeOf(await call(world, 'DEL', netConf({ deviceID: OTHER_VF_ADDRESS })))).toBeUndefined()
  expect(codeOf(await call(world, 'DEL', netConf()))).toBeUndefined()
  expect(snapshot(world)).toEqual(before)
})
