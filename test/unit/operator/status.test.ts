import { describe, expect, test } from 'vitest'
import { StatusDocument } from '../../../src/operator/look/status-document.js'
import { call, netConf } from '../../fakes/call.js'
import { makeMachine, OTHER_VF_ADDRESS, PF, PF_ADDRESS, POD_A, VF_ADDRESS } from '../../fakes/machine/machine.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'
import { jsonOf, kubeletPods, sriovctl } from './operator.js'

const ENVIRONMENT = { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0' }

async function attached(conf: object = {}) {
  const world = makeMachine()
  await call(world, 'ADD', netConf(conf), { environment: ENVIRONMENT })
  return world
}

describe('status', () => {
  test('of a node where all VFs are free is one sentence and a table, exit code 0', async () => {
    const { exitCode, text } = await sriovctl(makeMachine(), ['status'])
    expect(exitCode).toBe(0)
    expect(text).toMatch(/^4 VFs on ens1f0: 4 free; all is well\n\nens1f0 \(0000:01:00\.0, able, up/)
    expect(text.split('\n').filter((line) => / free /.test(line))).toHaveLength(4)
    expect(text).not.toContain('\u001b')
  })

  test('tells the pod of a VF, by its Kubernetes name', async () => {
    const world = await attached({ vlan: 100 })
    const { exitCode, text } = await sriovctl(world, ['status'])
    expect(exitCode).toBe(0)
    expect(text).toContain('1 in use, 3 free; all is well')
    expect(text).toMatch(/0000:01:10\.4 .* 100\/0 .* in-use +shop\/cart-0 \(pod-a\) net1 since 2026-01-01T00:00:00Z/)
  })

  test('tells the pod that has a PF as a whole, and what became of it', async () => {
    const world = makeMachine()
    const { deviceID: _named, ...conf } = netConf({ master: PF, pfOnly: true }) as Record<string, unknown>
    await call(world, 'ADD', conf, { environment: ENVIRONMENT })
    const { exitCode, text } = await sriovctl(world, ['status'])
    expect(text).toMatch(/; pods have 1 other device; all is well\n/)
    expect(text).toMatch(/Other devices of pods\n.*\n0000:01:00\.0 +able +in-use +shop\/cart-0 \(pod-a\) net1 since /)
    expect(exitCode).toBe(0)
    const document = jsonOf(await sriovctl(world, ['status', '--json', '--pod', 'shop/cart-0']))
    expect(StatusDocument.safeParse(document)).toMatchObject({ success: true })
    expect(document).toMatchObject({
      vfs: [],
      others: [{ address: PF_ADDRESS, driver: 'able', state: 'in-use', pod: { containerId: 'pod-a' }, problem: null }],
    })
    expect(await sriovctl(world, ['why', 'cart-0'])).toMatchObject({
      exitCode: 0,
      text: expect.stringContaining('Now\n0000:01:00.0: in-use\n'),
    })
    world.removeNetns(POD_A, 0)
    expect(await sriovctl(world, ['status', '--brief'])).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('1 device needs a look'),
    })
    expect(jsonOf(await sriovctl(world, ['doctor', '--json']))).toMatchObject({
      findings: [{ id: 'vf-leaked', subject: PF_ADDRESS }],
    })
  })

  test('its JSON is what its schema says', async () => {
    const document = jsonOf(await sriovctl(await attached({ vlan: 100, spoofchk: 'off' }), ['status', '--json']))
    expect(StatusDocument.safeParse(document)).toMatchObject({ success: true })
    expect(document).toMatchObject({
      pfs: [
        { name: PF, address: PF_ADDRESS, isUp: true, eswitchMode: 'legacy', vfs: { free: 3, inUse: 1, leaked: 0 } },
      ],
      vfs: [
        { index: 0, state: 'free', pod: null, problem: null },
        { index: 1 },
        {
          index: 2,
          address: VF_ADDRESS,
          pf: PF,
          interface: null,
          vlan: 100,
          qos: 0,
          proto: '802.1q',
          spoofchk: false,
          state: 'in-use',
          pod: { namespace: 'shop', name: 'cart-0', containerId: 'pod-a', ifName: 'net1', netns: POD_A },
        },
        { index: 3 },
      ],
    })
  })

  test('a VF whose pod is gone needs a look: exit code 1, the problem beside it', async () => {
    const world = await attached()
    world.removeNetns(POD_A)
    const { exitCode, text } = await sriovctl(world, ['status'])
    expect(exitCode).toBe(1)
    expect(text).toMatch(/^4 VFs on ens1f0: 1 leaked, 3 free; 1 VF needs a look/)
    expect(text).toContain(`${VF_ADDRESS}: the pod of container pod-a interface net1 (${POD_A}) is gone, without a DEL`)
  })

  test('asks kubelet for the pods of VFs whose record does not know them', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf())
    const data = { RegisteredDevices: { 'example.com/vfs': [OTHER_VF_ADDRESS] } }
    world.files.set('/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint', JSON.stringify({ Data: data }))
    kubeletPods.set(VF_ADDRESS, { namespace: 'shop', name: 'cart-0' })
    kubeletPods.set(OTHER_VF_ADDRESS, { namespace: 'lab', name: 'dpdk-1' })
    const { text } = await sriovctl(world, ['status'])
    const document = jsonOf(await sriovctl(world, ['status', '--json']))
    kubeletPods.clear()
    expect(StatusDocument.safeParse(document)).toMatchObject({ success: true })
    expect(text).toMatch(/in-use +shop\/cart-0 \(pod-a\) net1 since/)
    expect(text).toMatch(/reserved +lab\/dpdk-1$/m)
  })

  test('changes nothing', async () => {
    const world = await attached()
    world.removeNetns(POD_A)
    const before = [...world.files]
    await sriovctl(world, ['status'])
    expect([...world.files]).toEqual(before)
    expect(world.openDescriptors).toBe(0)
    expect([...world.locks]).toEqual([])
  })

  test('a call that is at work is nothing to look at', async () => {
    const world = await attached()
    world.removeNetns(POD_A, 0)
    expect((await sriovctl(world, ['status', '--brief'])).exitCode).toBe(1)
    world.files.set('/proc/42/comm', 'sriov\n')
    world.symlinks.set('/proc/42/fd/3', `/var/lib/cni/sriov/pci/vf_lock/${VF_ADDRESS}.lock`)
    world.files.set('/proc/42/fdinfo/3', 'pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 42 00:00:1 0 EOF\n')
    const { exitCode, text } = await sriovctl(world, ['status', '--brief'])
    expect([exitCode, text]).toEqual([0, expect.stringContaining('all is well')])
    expect(jsonOf(await sriovctl(world, ['status', '--json']))).toMatchObject({
      vfs: expect.arrayContaining([expect.objectContaining({ address: VF_ADDRESS, isAtWork: true })]),
    })
  })

  test('--brief is one line, --pf and --pod choose, and what is not there is an error', async () => {
    const world = await attached()
    expect((await sriovctl(world, ['status', '--brief'])).text).toBe('4 VFs on ens1f0: 1 in use, 3 free; all is well\n')
    for (const pf of [PF, PF_ADDRESS]) {
      expect((await sriovctl(world, ['status', '--pf', pf])).text).toContain('4 VFs')
    }
    for (const pod of ['shop/cart-0', 'cart-0', 'pod-a']) {
      expect(jsonOf(await sriovctl(world, ['status', '--pod', pod, '--json']))).toMatchObject({
        vfs: [{ address: VF_ADDRESS }],
      })
    }
    await expect(sriovctl(world, ['status', '--pf', 'eth9'])).rejects.toThrow('there is no PF eth9 on this node')
    await expect(sriovctl(world, ['status', '--pod', 'x/y'])).rejects.toThrow('sriovctl why x/y')
  })

  test('a node without SR-IOV is told so', async () => {
    const world = makeMachine()
    world.cards.length = 0
    expect(await sriovctl(world, ['status'])).toMatchObject({ exitCode: 0, text: expect.stringContaining('no PF') })
  })

  test('on a terminal, states have colours, and names of others no escape sequences', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf(), {
      environment: { CNI_ARGS: 'K8S_POD_NAMESPACE=a;K8S_POD_NAME=\u001b[2Jx\u202e\u009b' },
    })
    const { text } = await sriovctl(world, ['status'], true)
    expect(text).toContain('\u001b[32mfree\u001b[0m')
    expect(text).not.toContain('\u001b[2J')
    expect(text).toContain('a/\\u001b[2Jx\\u202e')
    const json = (await sriovctl(world, ['status', '--json'])).text
    expect(json).not.toMatch(/[\u0080-\u009f\u202e]/)
    expect(JSON.parse(json).vfs[2].pod.name).toBe('\u001b[2Jx\u202e\u009b')
  })
})

const VERBS = [
  'status',
  'doctor',
  'why',
  'logs',
  'validate',
  'explain',
  'schema',
  'gc',
  'release',
  'repair',
  'sysdump',
  'daemon',
  'completion',
  'man',
]

describe('the command line', () => {
  test.each([[['nonsense']], [['status', '--what']], [['why']], [['logs', '--since', 'yesterday']]])(
    '%j is not understood: exit code 2',
    async (words) => {
      expect(await sriovctl(makeMachine(), words)).toMatchObject({ exitCode: 2 })
    },
  )

  test.each(VERBS)('%s --help has an example', async (verb) => {
    const { exitCode, text } = await sriovctl(makeMachine(), [verb, '--help'])
    expect(exitCode).toBe(0)
    expect(text).toMatch(new RegExp(`Example:\\n {2}sriovctl ${verb}`))
  })
})

describe('status says that all is well only when it is', () => {
  test.each<[string, (world: FakeWorld) => unknown, RegExp]>([
    [
      'a full disk',
      (world) => Object.assign(world, { freeBytes: 0 }),
      /cni\/sriov: has 0 KiB left .*\(sriovctl doctor\)/,
    ],
    [
      'a policy that cannot be used',
      (world) => setPolicy(world, { what: 1 }),
      /the policy of this node: .*what: is not known/,
    ],
    [
      'a PF that is down under its pods',
      (world) => Object.assign(world.link(world.host, PF), { isUp: false }),
      /1 in use, 3 free; ens1f0 is down \(sriovctl doctor\)/,
    ],
    [
      'a checkpoint of kubelet that is cut off',
      (world) => world.files.set('/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint', '{"Da'),
      /is no complete JSON/,
    ],
  ])('%s', async (_what, plant, sentence) => {
    const world = await attached()
    await plant(world)
    const { exitCode, text } = await sriovctl(world, ['status', '--brief'])
    expect([exitCode, text]).toEqual([1, expect.stringMatching(sentence)])
    expect(text.split('\n')).toHaveLength(2)
  })
})
