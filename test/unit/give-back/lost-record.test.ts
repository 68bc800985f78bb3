import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeLink } from '../../fakes/kernel/links.js'
import { makeMachine, OTHER_VF_ADDRESS, POD_A, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { IPAM, isServed, SCENARIOS, type Scenario } from '../../fakes/scenarios.js'

const RECORD = '/var/lib/cni/sriov/pod-a-net1'
const CLAIM = `/var/lib/cni/sriov/.vf-${VF_ADDRESS}`
const AS_B = { containerId: 'pod-b', netns: POD_B }

const DAMAGES: readonly (readonly [string, (text: string) => string | undefined])[] = [
  ['removed', () => undefined],
  ['emptied', () => ''],
  ['cut off', (text) => text.slice(0, text.length / 2)],
  ['overwritten', () => 'garbage'],
  ['replaced by JSON that no plugin writes', () => '{"version":99}'],
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
  const record = `${'cniDir' in scenario.conf ? scenario.conf.cniDir : '/var/lib/cni/sriov'}/pod-a-net1`

  test.each(DAMAGES)('%s is given back by DEL', async (_how, spoil) => {
    const { world, before } = await attached(scenario)
    damage(world, record, spoil)
    expect(codeOf(await call(world, 'DEL', conf))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(DAMAGES)('%s is given back by GC once the runtime does not know it', async (_how, spoil) => {
    const { world, before } = await attached(scenario)
    damage(world, record, spoil)
    const known = { 'cni.dev/valid-attachments': [{ containerID: 'pod-a', ifname: 'net1' }] }
    const { vfs } = snapshot(world)
    expect(codeOf(await call(world, 'GC', { ...conf, ...known }))).toBeUndefined()
    expect(snapshot(world).vfs).toEqual(vfs)
    expect(codeOf(await call(world, 'GC', { ...conf, 'cni.dev/valid-attachments': [] }))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(DAMAGES)('%s keeps its VF while its pod is alive', async (_how, spoil) => {
    const { world } = await attached(scenario)
    damage(world, record, spoil)
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
    damage(world, record, spoil)
    world.removeNetns(POD_A)
    expect(codeOf(await call(world, 'ADD', conf, AS_B))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', conf, { netns: '' }))).toBeUndefined()
    expect(isServed(world, POD_B)).toBe(true)
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

describe('a record that was lost, and an ADD that came again for another VF', () => {
  async function lostAndAgain() {
    const world = makeMachine()
    const before = snapshot(world)
    await call(world, 'ADD', netConf({ vlan: 5, ...IPAM }))
    world.files.delete(RECORD)
    world.leases.clear()
    world.link(world.netns(POD_A), 'net1').name = 'old'
    const again = netConf({ deviceID: OTHER_VF_ADDRESS, ...IPAM })
    expect(codeOf(await call(world, 'ADD', again))).toBeUndefined()
    return { world, before, again }
  }

  test('are both given back by two DELs', async () => {
    const { world, before, again } = await lostAndAgain()
    expect(codeOf(await call(world, 'DEL', again))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', again))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('leave the second its record and lease when GC finds the first', async () => {
    const { world, before, again } = await lostAndAgain()
    const { links } = world.netns(POD_A)
    const [old] = links.splice(links.indexOf(world.link(world.netns(POD_A), 'old')), 1)
    world.host.links.push({ ...(old ?? makeLink({ name: 'old' })), addresses: [], routes: [] })
    const gc = { ...again, 'cni.dev/valid-attachments': [{ containerID: 'pod-a', ifname: 'net1' }] }
    expect(codeOf(await call(world, 'GC', gc))).toBeUndefined()
    expect([...world.leases.keys()]).toEqual(['pod-a net1'])
    expect(codeOf(await call(world, 'CHECK', again))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', again))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })
})
