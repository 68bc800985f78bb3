import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import type { Interference } from '../../fakes/machine/interference.js'
import { DEVBIND_PATH, makeMachine, PF, PF_ADDRESS, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'

const DPDK = { dpdk_driver: 'vfio-pci' }
const inNamespace = (name: string) => ({ environment: { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${name}` } })
const INFO = { capabilities: { CNIDeviceInfoFile: true } }

/** A refusal changes nothing, names the key and the rule, and keeps nobody's DEL from working. */
async function expectRefusal(world: FakeWorld, conf: object, texts: readonly string[], options = {}): Promise<void> {
  const before = snapshot(world)
  const answer = await call(world, 'ADD', netConf(conf), options)
  expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringContaining('the policy of this node')])
  for (const text of texts) {
    expect(messageOf(answer)).toContain(text)
  }
  expect(snapshot(world)).toEqual(before)
  expect(codeOf(await call(world, 'DEL', netConf(conf), options))).toBeUndefined()
  expect(snapshot(world)).toEqual(before)
}

describe('without a policy ADD refuses', () => {
  test.each<[string, object, string, string]>([
    ['a state folder elsewhere', { cniDir: '/home/tenant' }, 'cniDir: /home/tenant', '"stateFolders"'],
    ['a state folder with ..', { cniDir: '/var/lib/cni/sriov/../../../tmp' }, 'cniDir', 'without . and ..'],
    [
      'a state folder in the place of a claim',
      { cniDir: `/var/lib/cni/sriov/.vf-${VF_ADDRESS}` },
      'cniDir',
      'begins with a dot',
    ],
    [
      'a state folder in the place of a promise',
      { cniDir: '/var/lib/cni/sriov/.promises/x' },
      'cniDir',
      'begins with a dot',
    ],
    ['a state folder among the marks', { cniDir: '/var/lib/cni/sriov/pci/vf_lock' }, 'cniDir', 'marks and locks'],
    ['a log elsewhere', { logFile: '/etc/passwd' }, 'logFile: /etc/passwd', '"logFolders"'],
    ['a log with ..', { logFile: '/var/log/../../etc/passwd' }, 'logFile', 'without . and ..'],
    ['a log with a new line', { logFile: '/var/log/a\nb' }, 'logFile', 'absolute path'],
    [
      'a device-information file elsewhere',
      { ...INFO, runtimeConfig: { CNIDeviceInfoFile: '/etc/cron.d/x' } },
      'runtimeConfig.CNIDeviceInfoFile: /etc/cron.d/x',
      '"deviceInfoFolders"',
    ],
    ['any program', { dpdk: { ...DPDK, dpdk_tool: '/bin/sh' } }, 'dpdk.dpdk_tool: "/bin/sh"', '"dpdkTools"'],
    [
      'another program in the folder of a tool',
      { dpdk: { ...DPDK, dpdk_tool: '/usr/bin/env' } },
      'dpdk.dpdk_tool',
      '"dpdkTools"',
    ],
    ['any module', { dpdk: { dpdk_driver: 'floppy' } }, 'dpdk.dpdk_driver: floppy', '"dpdkDrivers"'],
    [
      'a kernel driver that is made for something else',
      { dpdk: { ...DPDK, kernel_driver: 'mlx5_core' } },
      'dpdk.kernel_driver: mlx5_core',
      '"kernelDrivers"',
    ],
  ])('%s', async (_what, conf, key, rule) => {
    await expectRefusal(makeMachine(), conf, [key, rule])
  })

  test('a tool that somebody else can write', async () => {
    const world = makeMachine()
    world.owners.set('/usr/bin', { mode: 0o777 })
    await expectRefusal(world, { dpdk: { ...DPDK, dpdk_tool: DEVBIND_PATH } }, [
      'dpdk.dpdk_tool: others than root can write to /usr/bin',
    ])
  })

  test('a log through a link into a folder that all share', async () => {
    const world = makeMachine()
    world.owners.set('/tmp', { mode: 0o1777 })
    world.folders.add('/tmp')
    world.symlinks.set('/var/log/mine', '/tmp')
    await expectRefusal(world, { logFile: '/var/log/mine/x' }, ['logFile: others than root can make /tmp/x'])
  })
})

describe('a path that the disk does not let one look at', () => {
  const LOG = '/var/log/sriov/x'
  const broken: Interference = ({ kind, what }, work, refuse) =>
    kind === 'file' && what.startsWith('look at /var/log/sriov') ? refuse('EIO') : work()

  function machineWithLogs(): FakeWorld {
    const world = makeMachine()
    world.files.set('/var/log/sriov/other', '')
    return world
  }

  test('refuses an ADD that names it', async () => {
    const answer = await call(machineWithLogs(), 'ADD', netConf({ logFile: LOG }), { interfere: broken })
    expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringMatching(/logFile: .*\/var\/log\/sriov.*EIO/)])
  })

  test('keeps no VF from coming back', async () => {
    const world = machineWithLogs()
    const before = snapshot(world)
    expect((await call(world, 'ADD', netConf({ vlan: 100, logFile: LOG }))).exitCode).toBe(0)
    expect(messageOf(await call(world, 'DEL', netConf({ vlan: 100, logFile: LOG }), { interfere: broken }))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })
})

test('every refusal is told at once, with the place of its rule', async () => {
  const world = makeMachine()
  setPolicy(world, { logFolders: ['/srv/log'] })
  await expectRefusal(world, { cniDir: '/x', logFile: '/var/log/y', dpdk: { dpdk_driver: 'nouveau' } }, [
    'cniDir: /x',
    'logFile: /var/log/y is not below one of the folders allowed; "logFolders": ["/srv/log"] in /etc/sriov-cni/policy.json:2',
    'dpdk.dpdk_driver: nouveau',
  ])
})

describe('without a policy ADD allows', () => {
  test.each<[string, object]>([
    ['the default folder by its name', { cniDir: '/var/lib/cni/sriov' }],
    ['a folder below it', { cniDir: '/var/lib/cni/sriov/one' }],
    ['a log in /var/log', { logFile: '/var/log/sriov.log' }],
    ['the tool where distributions put it', { dpdk: { ...DPDK, dpdk_tool: DEVBIND_PATH } }],
    ['a driver that is made for the VF', { dpdk: { ...DPDK, kernel_driver: 'igbvf' } }],
  ])('%s', async (_what, conf) => {
    const world = makeMachine()
    expect(messageOf(await call(world, 'ADD', netConf(conf)))).toBe('')
    expect(messageOf(await call(world, 'DEL', netConf(conf)))).toBe('')
  })
})

describe('the limits of a Kubernetes namespace', () => {
  const RULES = {
    namespaces: {
      red: { vlans: ['100-199', 300], trust: false, spoofchkOff: false, promisc: false, allmulti: false },
      blue: { maxTxRate: 500, dpdk: false, pfOnly: false },
      '*': { vlans: [7] },
    },
  }

  test.each<[string, object, string]>([
    ['red', { vlan: 99 }, 'vlan: 99'],
    ['red', {}, 'vlan: none'],
    ['red', { vlan: 300, trust: 'on' }, 'trust: may not be on'],
    ['red', { vlan: 300, spoofchk: 'off' }, 'spoofchk: may not be off'],
    ['red', { vlan: 300, promisc: true }, 'promisc: may not be true'],
    ['red', { vlan: 300, allmulti: true }, 'allmulti: may not be true'],
    ['blue', {}, 'max_tx_rate: none'],
    ['blue', { max_tx_rate: 0 }, 'max_tx_rate: 0'],
    ['blue', { max_tx_rate: 501 }, 'max_tx_rate: 501'],
    ['blue', { max_tx_rate: 500, dpdk: DPDK }, 'dpdk: may not be used'],
    ['blue', { max_tx_rate: 500, deviceID: undefined, master: PF, pfOnly: true }, 'pfOnly: may not be true'],
    ['green', { vlan: 8 }, 'vlan: 8'],
    ['__proto__', { vlan: 8 }, 'vlan: 8'],
  ])('forbid %s %j', async (namespace, conf, text) => {
    const world = makeMachine()
    setPolicy(world, RULES)
    await expectRefusal(
      world,
      conf,
      [text, `"namespaces.${namespace in RULES.namespaces && namespace !== '__proto__' ? namespace : '*'}"`],
      inNamespace(namespace),
    )
  })

  test.each<[string, object]>([
    ['red', { vlan: 150, trust: 'off', spoofchk: 'on' }],
    ['red', { vlan: 300 }],
    ['blue', { max_tx_rate: 500, trust: 'on', vlan: 9 }],
    ['green', { vlan: 7, trust: 'on' }],
  ])('allow %s %j', async (namespace, conf) => {
    const world = makeMachine()
    setPolicy(world, RULES)
    expect(messageOf(await call(world, 'ADD', netConf(conf), inNamespace(namespace)))).toBe('')
  })

  test('count CNI_ARGS as well as the configuration', async () => {
    const world = makeMachine()
    setPolicy(world, RULES)
    const environment = { CNI_ARGS: 'K8S_POD_NAMESPACE=red;VLAN=5' }
    await expectRefusal(world, { vlan: 150 }, ['vlan: 5'], { environment })
  })

  test('are not chosen by a second name', async () => {
    const world = makeMachine()
    setPolicy(world, RULES)
    const environment = { CNI_ARGS: 'K8S_POD_NAMESPACE=red;K8S_POD_NAMESPACE=blue' }
    await expectRefusal(world, { vlan: 150, max_tx_rate: 5 }, ['CNI_ARGS K8S_POD_NAMESPACE: is both red and blue'], {
      environment,
    })
  })

  test('of nobody do not limit', async () => {
    const world = makeMachine()
    setPolicy(world, { namespaces: { red: { trust: false } } })
    expect(messageOf(await call(world, 'ADD', netConf({ trust: 'on' })))).toBe('')
  })
})

describe('PFs and VFs', () => {
  const REST = { containerId: 'b', netns: POD_B }

  test.each<[string, object, object, boolean]>([
    ['by name', { pfs: [PF] }, {}, true],
    ['by address', { pfs: [PF_ADDRESS] }, {}, true],
    ['by range', { pfs: [`${PF}#1-2`] }, {}, true],
    ['out of range', { pfs: [`${PF}#0-1,3`] }, {}, false],
    ['of another PF', { pfs: ['ens9f0'] }, {}, false],
    ['of a namespace', { namespaces: { '*': { pfs: [`${PF}#0`] } } }, {}, false],
    ['by index', { pfs: [`${PF}#0-1`] }, { deviceID: undefined, master: PF, vf: 2 }, false],
    ['a PF as a whole', { pfs: [PF] }, { deviceID: undefined, master: PF, pfOnly: true }, true],
    ['a PF of which VFs are allowed', { pfs: [`${PF}#0-3`] }, { deviceID: undefined, master: PF, pfOnly: true }, false],
    ['no PF', { wholePfs: false }, { deviceID: undefined, master: PF, pfOnly: true }, false],
    ['another PF', { wholePfs: ['ens9f0'] }, { deviceID: undefined, master: PF, pfOnly: true }, false],
    ['this PF', { wholePfs: [PF_ADDRESS] }, { deviceID: undefined, master: PF, pfOnly: true }, true],
  ])('named %s with %j', async (_how, rules, conf, isAllowed) => {
    const world = makeMachine()
    setPolicy(world, rules)
    if (isAllowed) {
      expect(messageOf(await call(world, 'ADD', netConf(conf)))).toBe('')
    } else {
      await expectRefusal(world, conf, ['/etc/sriov-cni/policy.json:'])
    }
  })

  test('that the policy keeps are passed over when one is chosen', async () => {
    const world = makeMachine()
    setPolicy(world, { pfs: [`${PF}#3`] })
    const conf = { deviceID: undefined, master: PF }
    expect(messageOf(await call(world, 'ADD', netConf(conf)))).toBe('')
    expect(world.link(world.netns('/run/netns/pod-a'), 'net1').parentDevice).toBe('0000:01:10.6')
    const answer = await call(world, 'ADD', netConf(conf), REST)
    expect([codeOf(answer), messageOf(answer)]).toEqual([
      11,
      expect.stringContaining('the policy of this node keeps it'),
    ])
  })

  test('of which the policy keeps all are none to wait for', async () => {
    const world = makeMachine()
    setPolicy(world, { pfs: [] })
    await expectRefusal(world, { deviceID: undefined, master: PF }, [
      'master: none of its 4 VFs is for this call',
      '"pfs"',
    ])
  })
})
