import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, PF, POD_A, POD_B, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { setPolicy } from '../../fakes/policy.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const HERE = netConf({ ...ALL_SETTINGS, ...IPAM })
const ELSEWHERE = netConf({ ...ALL_SETTINGS, ...IPAM, cniDir: '/srv/cni' })
function withFolders() {
  const world = makeMachine()
  setPolicy(world, { stateFolders: ['/srv'] })
  return world
}

const AS_B = { containerId: 'pod-b', netns: POD_B }

describe('two networks with records in different folders', () => {
  test.each([
    ['the default one first', HERE, ELSEWHERE],
    ['the default one last', ELSEWHERE, HERE],
  ])('do not get the same VF: %s', async (_name, first, second) => {
    const world = withFolders()
    expect(codeOf(await call(world, 'ADD', first))).toBeUndefined()
    const answer = await call(world, 'ADD', second, AS_B)
    expect([codeOf(answer), messageOf(answer)]).toEqual([102, expect.stringContaining('pod-a')])
  })

  test('choose different VFs of a PF', async () => {
    const world = withFolders()
    const ofPf = (cniDir: object) => netConf({ deviceID: undefined, master: PF, ...cniDir })
    expect(codeOf(await call(world, 'ADD', ofPf({})))).toBeUndefined()
    expect(codeOf(await call(world, 'ADD', ofPf({ cniDir: '/srv/cni' }), AS_B))).toBeUndefined()
    const devices = [POD_A, POD_B].map((pod) => world.link(world.netns(pod), 'net1').parentDevice)
    expect(new Set(devices).size).toBe(2)
  })

  test('wait for each other', async () => {
    const world = withFolders()
    world.locks.add(`/var/lib/cni/sriov/pci/vf_lock/${VF_ADDRESS}.lock`)
    expect(codeOf(await call(world, 'ADD', ELSEWHERE))).toBe(11)
  })

  test('keep their VFs when the other one is collected', async () => {
    const world = withFolders()
    await call(world, 'ADD', ELSEWHERE)
    const before = snapshot(world)
    const everything = { ...ALL_SETTINGS, 'cni.dev/valid-attachments': [] }
    expect(codeOf(await call(world, 'GC', netConf({ ...everything, name: 'another' })))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })
})

test.each([
  ['from the default', HERE, ELSEWHERE],
  ['to the default', ELSEWHERE, HERE],
  ['to a third one', ELSEWHERE, netConf({ ...ALL_SETTINGS, ...IPAM, cniDir: '/srv/other' })],
])('DEL gives the VF back when cniDir has changed since ADD, %s', async (_name, before, after) => {
  const world = withFolders()
  const untouched = snapshot(world)
  await call(world, 'ADD', before)
  expect(codeOf(await call(world, 'DEL', after))).toBeUndefined()
  expect(world.link(world.host, VF_NAME).parentDevice).toBe(VF_ADDRESS)
  expect(snapshot(world)).toEqual(untouched)
})

test('STATUS says that the folder of the node cannot be used', async () => {
  const world = withFolders()
  world.files.set('/var/lib/cni/sriov', 'a file')
  const answer = await call(world, 'STATUS', ELSEWHERE)
  expect([codeOf(answer), messageOf(answer)]).toEqual([50, expect.stringContaining('/var/lib/cni/sriov')])
})
