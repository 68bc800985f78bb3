import { describe, expect, test } from 'vitest'
import { policyReader } from '../../../src/policy/last-sound.js'
import { loadPolicy } from '../../../src/policy/load.js'
import { DEFAULT_RULES, POLICY_FILE, ruleText } from '../../../src/policy/policy.js'
import { call, codeOf, hostOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine } from '../../fakes/machine/machine.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'

const MORE = '/etc/sriov-cni/policy.d'
const FROM_CLUSTER = '/var/lib/sriov-cni/policy.json'
const policyOf = (world: FakeWorld) => loadPolicy(hostOf(world).files)

test('without a file the defaults hold', () => {
  expect(policyOf(makeMachine())).toEqual({ ...DEFAULT_RULES, origins: {} })
})

test("the administrator's file is read after what the cluster wrote, and a wrong one of either counts", () => {
  const world = makeMachine()
  setPolicy(world, { logFolders: ['/cluster'], hostInterfaces: true }, FROM_CLUSTER)
  expect(policyOf(world)).toMatchObject({ logFolders: ['/cluster'], hostInterfaces: true })
  setPolicy(world, { logFolders: ['/own'] })
  const policy = policyOf(world)
  expect(policy).toMatchObject({ logFolders: ['/own'], hostInterfaces: true })
  expect(ruleText(policy, 'hostInterfaces', true)).toContain(`${FROM_CLUSTER}:`)
  world.files.set(FROM_CLUSTER, '{')
  expect(policyOf(world).problem).toContain(FROM_CLUSTER)
})

test('for a process that stays, kubelet is where it was while a file is wrong', () => {
  const world = makeMachine()
  const { files, log } = hostOf(world)
  setPolicy(world, { kubeletFolder: '/k0s' })
  const read = policyReader(files, log)
  expect(read().kubeletFolder).toBe('/k0s')
  world.files.set(POLICY_FILE, '{')
  expect(read()).toMatchObject({ kubeletFolder: '/k0s', problem: expect.stringContaining(POLICY_FILE) })
  read()
  expect(world.log.filter((line) => line.includes('the policy of this node cannot be used'))).toHaveLength(1)
  setPolicy(world, { kubeletFolder: '/microk8s' })
  expect(read()).toMatchObject({ kubeletFolder: '/microk8s' })
  expect(read().problem).toBeUndefined()
})

test('files are merged in order: a later one replaces the rules and the namespaces that it names', () => {
  const world = makeMachine()
  setPolicy(world, { logFolders: ['/a'], stateFolders: ['/s/'], namespaces: { one: { trust: false }, two: {} } })
  setPolicy(world, { logFolders: ['/b'] }, `${MORE}/10-b.json`)
  setPolicy(world, { logFolders: ['/c'], namespaces: { two: { vlans: ['100-199', 300] } } }, `${MORE}/20-c.json`)
  world.files.set(`${MORE}/30-d.txt`, 'no policy')
  world.files.set(`${MORE}/.40.json`, 'no policy')
  const policy = policyOf(world)
  expect(policy.problem).toBeUndefined()
  expect(policy.logFolders).toEqual(['/c'])
  expect(policy.stateFolders).toEqual(['/s'])
  expect(policy.namespaces).toEqual({
    one: { trust: false },
    two: {
      vlans: [
        [100, 199],
        [300, 300],
      ],
    },
  })
  expect(policy.origins.logFolders).toEqual({ file: `${MORE}/20-c.json`, line: 2 })
  expect(ruleText(policy, 'stateFolders', policy.stateFolders)).toBe(`"stateFolders": ["/s"] in ${POLICY_FILE}:5`)
})

test('a file that has changed is read anew', () => {
  const world = makeMachine()
  setPolicy(world, { hostInterfaces: true })
  expect(policyOf(world).hostInterfaces).toBe(true)
  setPolicy(world, { hostInterfaces: false })
  expect(policyOf(world).hostInterfaces).toBe(false)
})

describe('every ADD is refused, and DEL is not, when a file', () => {
  test.each<[string, (world: FakeWorld) => void, string]>([
    ['is no JSON', (world) => world.files.set(POLICY_FILE, '{'), 'JSON'],
    ['is no object', (world) => world.files.set(POLICY_FILE, '[]'), POLICY_FILE],
    ['has an unknown key', (world) => setPolicy(world, { logFolder: [] }), 'logFolder: is not known'],
    [
      'has an unknown limit',
      (world) => setPolicy(world, { namespaces: { a: { vlan: [1] } } }),
      'namespaces.a.vlan: is not known',
    ],
    ['has a relative path', (world) => setPolicy(world, { logFolders: ['log'] }), 'logFolders'],
    ['has a path with ..', (world) => setPolicy(world, { logFolders: ['/var/log/..'] }), 'logFolders'],
    [
      'has a wrong VLAN',
      (world) => setPolicy(world, { namespaces: { '*': { vlans: ['9-1'] } } }),
      'namespaces.*.vlans',
    ],
    ['has a wrong PF', (world) => setPolicy(world, { pfs: ['ens1f0#x'] }), 'pfs'],
    [
      'in policy.d is wrong',
      (world) => {
        setPolicy(world, {})
        setPolicy(world, { wholePfs: true }, `${MORE}/a.json`)
      },
      `${MORE}/a.json: wholePfs`,
    ],
    [
      'belongs to somebody else',
      (world) => {
        setPolicy(world, {})
        world.owners.set(POLICY_FILE, { uid: 1000 })
      },
      `${POLICY_FILE} belongs to user 1000`,
    ],
    [
      'can be written by others',
      (world) => {
        setPolicy(world, {})
        world.owners.set(POLICY_FILE, { mode: 0o666 })
      },
      `others than root can write to ${POLICY_FILE}`,
    ],
    [
      'is in a folder that others can write to',
      (world) => {
        setPolicy(world, {})
        world.owners.set('/etc/sriov-cni', { mode: 0o775 })
      },
      'others than root can write to /etc/sriov-cni',
    ],
    ['is too large', (world) => setPolicy(world, { pfs: ['x'.repeat(300_000)] }), 'larger'],
  ])('%s', async (_what, arrange, message) => {
    const world = makeMachine()
    expect(codeOf(await call(world, 'ADD', netConf()))).toBeUndefined()
    arrange(world)
    const answer = await call(world, 'ADD', netConf(), { containerId: 'b' })
    expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringContaining('every ADD is refused')])
    expect(messageOf(answer)).toContain(message)
    expect(codeOf(await call(world, 'STATUS', netConf()))).toBe(50)
    expect(codeOf(await call(world, 'CHECK', netConf()))).toBeUndefined()
    expect(codeOf(await call(world, 'GC', netConf()))).toBeUndefined()
    expect(codeOf(await call(world, 'DEL', netConf()))).toBeUndefined()
  })
})
