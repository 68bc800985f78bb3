import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { makeMachine } from '../../fakes/machine/machine.js'
import { setPolicy } from '../../fakes/policy.js'
import { devicePlugin, jsonOf, resident, sriovctl } from './operator.js'

const EXAMPLES = 'docs/examples'

async function problemsIn(file: string, text: string) {
  const world = makeMachine()
  world.files.set(file, text)
  const ran = await sriovctl(world, ['validate', file, '--json'])
  const { networks, problems } = jsonOf(ran) as { networks: number; problems: object[] }
  expect(ran.exitCode).toBe(problems.length > 0 ? 1 : 0)
  return { networks, problems }
}

const NAD = `apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: fast
  namespace: shop
  annotations:
    k8s.v1.cni.cncf.io/resourceName: example.com/sriov
spec:
  config: |
    {
      "cniVersion": "1.0.0",
      "type": "sriov",
      "vlan": 5000,
      "spoof-chk": "on"
    }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: other }
`

describe('validate', () => {
  test.each(readdirSync(EXAMPLES))('finds nothing in docs/examples/%s', async (name) => {
    const world = makeMachine()
    world.files.set('/etc/sriov-cni/policy.json', '{}')
    expect(await problemsIn(`/tmp/${name}`, readFileSync(`${EXAMPLES}/${name}`, 'utf8'))).toMatchObject({
      problems: [],
    })
  })

  test('names file, line and key in a network definition', async () => {
    const { networks, problems } = await problemsIn('/tmp/nad.yaml', NAD)
    expect(networks).toBe(1)
    expect(problems).toEqual([
      { file: '/tmp/nad.yaml', line: 13, key: 'vlan', problem: expect.stringContaining('0 to 4094') },
    ])
  })

  test('the same in JSON, and in a list', async () => {
    const list = {
      cniVersion: '1.0.0',
      name: 'lab',
      plugins: [{ type: 'tuning' }, { type: 'sriov', mac: 'x', master: 'a' }],
    }
    const { problems } = await problemsIn('/tmp/10.conflist', JSON.stringify(list, undefined, 2))
    expect(problems).toEqual([{ file: '/tmp/10.conflist', line: 10, key: 'mac', problem: expect.any(String) }])
  })

  test('a configuration that says no device is a problem; kubelet’s is none', async () => {
    const bare = { cniVersion: '1.0.0', name: 'lab', type: 'sriov' }
    expect(await problemsIn('/tmp/a.conf', JSON.stringify(bare))).toMatchObject({ problems: [{ key: 'deviceID' }] })
  })

  test('broken JSON and YAML have a line', async () => {
    expect(await problemsIn('/tmp/a.conf', '{\n "type": "sriov",\n}')).toMatchObject({ problems: [{ line: 3 }] })
    expect(await problemsIn('/tmp/a.yaml', `${NAD}---\nkind: [\n`)).toMatchObject({
      problems: [{ line: 22 }, { line: 13 }],
    })
  })

  test('what the policy does not allow is a problem', async () => {
    const conf = { cniVersion: '1.0.0', name: 'lab', type: 'sriov', master: 'ens1f0', logFile: '/etc/passwd' }
    expect(await problemsIn('/tmp/a.conf', JSON.stringify(conf))).toMatchObject({ problems: [{ key: 'logFile' }] })
  })

  test('text for a person: each problem in a line, then how many', async () => {
    const world = makeMachine()
    world.files.set('/tmp/nad.yaml', NAD)
    const { text } = await sriovctl(world, ['validate', '/tmp/nad.yaml'])
    expect(text).toMatch(
      /^error \/tmp\/nad\.yaml:13: vlan: .*\nwarning \/tmp\/nad\.yaml:\d+: .*spoofchk.*\n1 configuration of this plugin, 1 problem\n$/,
    )
  })

  test.each(['List', 'NetworkAttachmentDefinitionList'])('reads the items of a kind: %s', async (kind) => {
    const [definition = ''] = NAD.split('---')
    const item = (name: string) =>
      `- ${definition.trimEnd().replace('name: fast', `name: ${name}`).replaceAll('\n', '\n  ')}\n`
    const text = `apiVersion: v1\nitems:\n${item('one')}${item('two')}- kind: ConfigMap\nkind: ${kind}\n`
    const { networks, problems } = await problemsIn('/tmp/nads.yaml', text)
    expect(networks).toBe(2)
    expect(problems).toMatchObject([
      { line: 15, key: 'vlan' },
      { line: 30, key: 'vlan' },
    ])
  })

  test('a configuration with \\n in a list in JSON has the line of its string', async () => {
    const config = JSON.stringify({ cniVersion: '1.0.0', name: 'lab', type: 'sriov', master: 'a', vlan: 5000 }, null, 2)
    const list = { kind: 'List', items: [{ kind: 'NetworkAttachmentDefinition', spec: { config } }] }
    const { problems } = await problemsIn('/tmp/nads.json', JSON.stringify(list, null, 2))
    expect(problems).toMatchObject([{ line: 7, key: 'vlan' }])
  })

  test('a policy that cannot be used is a problem of every configuration: no ADD succeeds', async () => {
    const world = makeMachine()
    setPolicy(world, { what: 1 })
    world.files.set(
      '/tmp/a.conf',
      JSON.stringify({ cniVersion: '1.0.0', name: 'lab', type: 'sriov', master: 'ens1f0' }),
    )
    const ran = await sriovctl(world, ['validate', '/tmp/a.conf'])
    expect(ran.text).toMatch(
      /^error \/tmp\/a\.conf:1: the policy of this node cannot be used.*what.*\n.*, 1 problem\n$/,
    )
    expect(ran.exitCode).toBe(1)
  })

  test('a file without a configuration of this plugin is named', async () => {
    const world = makeMachine()
    world.files.set('/tmp/a.conf', '{ "type": "bridge" }')
    world.files.set('/tmp/nad.yaml', NAD.replace('5000', '500'))
    const { exitCode, text } = await sriovctl(world, ['validate', '/tmp/nad.yaml', '/tmp/a.conf'])
    expect(text).toContain('warning /tmp/a.conf:1: there is no configuration of this plugin\n')
    expect(text).not.toContain('warning /tmp/nad.yaml:1:')
    expect(exitCode).toBe(0)
  })

  test('schema prints a JSON Schema', async () => {
    const schema = jsonOf(await sriovctl(makeMachine(), ['schema', 'configuration']))
    expect(schema).toMatchObject({
      properties: { vlan: { type: 'integer', maximum: 4094 }, spoofchk: { enum: ['on', 'off'] } },
    })
  })
})

describe('validate --as', () => {
  const ran = (as: string, text: string) => {
    const world = makeMachine()
    world.files.set('/tmp/file', text)
    return sriovctl(world, ['validate', '--as', as, '/tmp/file'])
  }

  test.each([
    ['policy', '{ "wholePfs": ["ens1f0"], "namespaces": { "*": { "trust": false } } }'],
    ['pfs', '{ "pfs": [{ "pf": "ens1f0", "numVfs": 7 }] }'],
    ['pools', '{ "resourceList": [{ "resourceName": "vfs", "selectors": { "pfNames": ["ens1f0"] } }] }'],
    ['rdma', '{ "configList": [{ "resourceName": "hca", "rdmaHcaMax": 10, "selectors": { "ifNames": ["ens1f0"] } }] }'],
  ])('%s: finds nothing in a right file', async (as, text) => {
    expect(await ran(as, text)).toMatchObject({ exitCode: 0, text: '0 problems\n' })
  })

  test.each([
    ['policy', '{ "wholePf": [] }', 'wholePf: is not known'],
    ['policy', '{', 'JSON'],
    ['policy', `{ "pfs": ["${'x'.repeat(300_000)}"] }`, 'is larger than'],
    ['pfs', `{ "pfs": [{ "pf": "${'x'.repeat(300_000)}" }] }`, 'is larger than'],
    ['pfs', '{ "pfs": [{ "pf": "ens1f0", "numVfs": -1 }] }', 'pfs.0.numVfs'],
    ['pfs', '[', 'is not JSON'],
    ['pools', '{ "resourceList": [{ "resourceName": "a b" }] }', 'resourceList[0].resourceName'],
    ['pools', '{', 'JSON'],
    ['rdma', '{ "configList": [{ "rdmaHcaMax": 10 }] }', 'resourceName'],
  ])('%s: names the file and the key in %s', async (as, text, problem) => {
    const output = await ran(as, text)
    expect(output.exitCode).toBe(1)
    expect(output.text).toContain(`/tmp/file: `)
    expect(output.text).toContain(problem)
  })

  test('a file that is not there is named', async () => {
    await expect(sriovctl(makeMachine(), ['validate', '--as', 'pfs', '/none'])).rejects.toThrow(
      'there is no file /none',
    )
  })
})

describe('daemon --probe, device-plugin --probe', () => {
  afterEach(() => {
    resident.is = { reaction: 'answered' }
    devicePlugin.is = 'answered'
  })
  test.each([
    ['answered', 0, 'it answers'],
    ['absent', 1, 'nobody listens'],
    ['hung', 1, 'nobody answers'],
  ] as const)('%s', async (reaction, exitCode, text) => {
    resident.is = { reaction }
    devicePlugin.is = reaction
    for (const verb of ['daemon', 'device-plugin']) {
      const output = await sriovctl(makeMachine(), [verb, '--probe'])
      expect(output).toMatchObject({ exitCode, text: expect.stringContaining(text) })
    }
  })
})
