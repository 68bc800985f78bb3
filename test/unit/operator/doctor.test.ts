import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import type { Resident } from '../../../src/daemon/probe.js'
import { SCHEMAS } from '../../../src/operator/conf/schema.js'
import { DoctorDocument } from '../../../src/operator/doctor/doctor.js'
import { CHECKS } from '../../../src/operator/doctor/findings.js'
import { JOURNAL } from '../../../src/state/journal.js'
import { call, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, PF_ADDRESS, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { SCENARIOS } from '../../fakes/scenarios.js'
import { jsonOf, resident, sriovctl } from './operator.js'

const idsOf = async (world: FakeWorld): Promise<string[]> => {
  const document = jsonOf(await sriovctl(world, ['doctor', '--json']))
  expect(DoctorDocument.safeParse(document)).toMatchObject({ success: true })
  return (document as { findings: { id: string }[] }).findings.map(({ id }) => id)
}

const CONF = '/etc/cni/net.d/10-sriov.conflist'
const conf = (plugin: object) =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins: [{ type: 'sriov', ...plugin }] }, undefined, 2)

const configured = (plugin: object) => (world: FakeWorld) => {
  world.folders.add('/etc/cni/net.d')
  world.files.set(CONF, conf(plugin))
  world.programs.set('/opt/cni/bin/sriov', () => ({ status: 0, stdout: '', stderr: '' }))
}

describe('doctor finds nothing', () => {
  test('on a node without pods', async () => {
    expect(await idsOf(makeMachine())).toEqual([])
    expect(await sriovctl(makeMachine(), ['doctor'])).toMatchObject({ exitCode: 0, text: 'all is well\n' })
  })

  test.each(SCENARIOS)('while a pod has a VF: $name', async ({ make, conf: keys }) => {
    const world = make()
    world.folders.add('/sys/kernel/mm/hugepages/hugepages-2048kB')
    world.files.set('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages', '512\n')
    const before = await idsOf(world)
    await call(world, 'ADD', netConf(keys))
    expect((await idsOf(world)).filter((id) => !before.includes(id))).toEqual([])
    // Some scenarios begin with a VF that has settings of its own.
    expect(before.filter((id) => id !== 'vf-vlan-of-nobody')).toEqual([])
  })

  test('while a pod has a PF as a whole', async () => {
    const world = makeMachine()
    const { deviceID: _named, ...conf } = netConf({ master: 'ens1f0', pfOnly: true }) as Record<string, unknown>
    expect(messageOf(await call(world, 'ADD', conf))).toBe('')
    expect(await idsOf(world)).toEqual([])
  })

  test('with a sound configuration', async () => {
    const world = makeMachine()
    configured({ master: 'ens1f0', vlan: 100, ipam: { type: 'host-local' } })(world)
    expect(await idsOf(world)).toEqual([])
  })
})

type Plant = (world: FakeWorld) => unknown

const attached = (world: FakeWorld, keys: object = {}) => call(world, 'ADD', netConf(keys))

const poolConfigured =
  (...resourceList: object[]) =>
  (world: FakeWorld): unknown =>
    world.files.set('/etc/pcidp/config.json', JSON.stringify({ resourceList }))

const FAULTS: readonly (readonly [keyof typeof CHECKS, string, Plant])[] = [
  ['no-sriov', 'no card', (world) => world.cards.splice(0)],
  ['pf-down', 'a PF that is down', (world) => linkNamed(world, 'ens1f0', { isUp: false })],
  ['pf-no-carrier', 'a PF without carrier', (world) => linkNamed(world, 'ens1f0', { hasCarrier: false })],
  ['vf-no-driver', 'a VF without driver', (world) => delete (world.vf(VF_ADDRESS) as { driver?: string }).driver],
  [
    'vf-leaked',
    'a dead pod’s VF',
    async (world) => {
      await attached(world)
      world.removeNetns(POD_A)
    },
  ],
  [
    'vf-unfinished',
    'a record of another boot',
    async (world) => {
      await attached(world)
      world.files.set('/proc/sys/kernel/random/boot_id', 'boot-2\n')
    },
  ],
  [
    'vf-record-lost',
    'a record that was removed',
    async (world) => {
      await attached(world)
      world.files.delete('/var/lib/cni/sriov/pod-a-net1')
    },
  ],
  ['vf-vlan-of-nobody', 'a VLAN of nobody', (world) => setVf(world, { vlan: 7 })],
  [
    'driver-override-left',
    'an override',
    (world) => Object.assign(world.vf(VF_ADDRESS), { driverOverride: 'vfio-pci' }),
  ],
  [
    'vf-no-driver',
    'an override to a driver that is not there',
    (world) => Object.assign(world.vf(VF_ADDRESS), { driver: undefined, driverOverride: 'pci-stub' }),
  ],
  [
    'vf-settings-changed',
    'another VLAN than that of its pod',
    async (world) => {
      await call(world, 'ADD', netConf({ vlan: 100, spoofchk: 'off' }))
      Object.assign(world.vf(VF_ADDRESS).settings, { vlan: 110, spoofchk: true })
    },
  ],
  [
    'ipam-missing',
    'an IPAM plugin that is not executable',
    (world) => {
      configured({ master: 'ens1f0', ipam: { type: 'whereabouts' } })(world)
      world.files.set('/opt/cni/bin/whereabouts', '')
    },
  ],
  [
    'mac-twice',
    'one MAC twice',
    (world) => {
      for (const { settings } of world.cards[0]?.vfs.slice(0, 2) ?? []) {
        Object.assign(settings, { mac: '02:00:00:00:09:09' })
      }
    },
  ],
  [
    'vf-elsewhere',
    'an interface that somebody moved',
    (world) => {
      const at = world.host.links.findIndex(({ name }) => name === VF_NAME)
      world.netns(POD_A).links.push(...world.host.links.splice(at, 1))
    },
  ],
  ['hugepages-none', 'DPDK without hugepages', configured({ master: 'ens1f0', dpdk: { dpdk_driver: 'vfio-pci' } })],
  [
    'iommu-off',
    'DPDK without an IOMMU',
    (world) => {
      world.iommuGroups.clear()
      configured({ master: 'ens1f0', dpdk: { dpdk_driver: 'vfio-pci' } })(world)
    },
  ],
  [
    'state-untrusted',
    'a state folder of another user',
    async (world) => {
      await attached(world)
      world.owners.set('/var/lib/cni/sriov', { uid: 1000 })
    },
  ],
  [
    'state-full',
    'a full disk',
    async (world) => {
      await attached(world)
      world.freeBytes = 4096
    },
  ],
  [
    'record-unreadable',
    'a damaged record',
    async (world) => {
      await attached(world)
      world.files.set('/var/lib/cni/sriov/pod-a-net1', '{')
    },
  ],
  [
    'record-of-gone-device',
    'a card that was taken out',
    async (world) => {
      await attached(world)
      world.cards.splice(0)
    },
  ],
  [
    'claim-broken',
    'a damaged claim',
    async (world) => {
      await attached(world)
      world.files.set(`/var/lib/cni/sriov/.vf-${VF_ADDRESS}`, '{')
    },
  ],
  [
    'policy-wrong',
    'a policy with a wrong key',
    (world) => {
      world.folders.add('/etc/sriov-cni')
      world.files.set('/etc/sriov-cni/policy.json', '{"what":1}')
    },
  ],
  [
    'kubelet-checkpoint-unknown',
    'a checkpoint of another form',
    (world) => world.files.set('/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint', 'x'),
  ],
  [
    'pool-and-choice',
    'kubelet’s VFs and a choice',
    (world) => {
      const data = { RegisteredDevices: { 'example.com/sriov': [VF_ADDRESS] } }
      world.files.set('/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint', JSON.stringify({ Data: data }))
      configured({ master: 'ens1f0' })(world)
    },
  ],
  ['conf-invalid', 'a wrong key', configured({ master: 'ens1f0', vlan: 5000 })],
  ['conf-pf-missing', 'a PF that is not there', configured({ master: 'ens9f9' })],
  ['conf-device-missing', 'a device that is not there', configured({ deviceID: '0000:99:00.0' })],
  ['ipam-missing', 'an IPAM plugin that is not there', configured({ master: 'ens1f0', ipam: { type: 'whereabouts' } })],
  [
    'vf-managed',
    'NetworkManager that manages a VF',
    (world) => {
      world.folders.add('/run/NetworkManager')
      world.programs.set('/usr/bin/nmcli', () => ({ status: 0, stdout: `lo:unmanaged\n${VF_NAME}:connected\n` }))
    },
  ],
  [
    'vf-managed',
    'systemd-networkd that manages a VF',
    (world) => {
      world.folders.add('/run/systemd/netif')
      const list = `  1 lo       loopback carrier unmanaged\n  7 ${VF_NAME} ether    routable configured\n`
      world.programs.set('/usr/bin/networkctl', () => ({ status: 0, stdout: list }))
    },
  ],
  [
    'ipam-too-old',
    'an IPAM plugin of CNI 0.4.0',
    (world) => {
      configured({ master: 'ens1f0', ipam: { type: 'old' } })(world)
      world.programs.set('/opt/cni/bin/old', () => ({ status: 0, stdout: '{"supportedVersions":["0.3.1","0.4.0"]}' }))
    },
  ],
  [
    'ipam-lease-empty',
    'a lease that host-local did not write to its end',
    (world) => {
      for (const folder of ['/var/lib/cni', '/var/lib/cni/networks', '/var/lib/cni/networks/lab']) {
        world.folders.add(folder)
      }
      world.files.set('/var/lib/cni/networks/lab/10.9.0.7', '')
      world.files.set('/var/lib/cni/networks/lab/fd00::7', '')
      world.changedMs.set('/var/lib/cni/networks/lab/fd00::7', Date.now())
      world.files.set('/var/lib/cni/networks/lab/10.9.0.8', 'abc\r\nnet1')
      world.files.set('/var/lib/cni/networks/lab/lock', '')
    },
  ],
  [
    'kubelet-resource-empty',
    'a resource whose selectors match nothing',
    (world) => {
      const data = { RegisteredDevices: { 'intel.com/vfs': null } }
      world.files.set('/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint', JSON.stringify({ Data: data }))
      const resources = [{ resourceName: 'vfs', selectors: { pfNames: ['ens1f0'], drivers: ['vfio-pci'] } }]
      world.files.set('/etc/pcidp/config.json', JSON.stringify({ resourceList: resources }))
    },
  ],
  [
    'kubelet-resource-empty',
    'a resource whose devices another one has',
    (world) => {
      const data = { RegisteredDevices: { 'intel.com/second': [] } }
      world.files.set('/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint', JSON.stringify({ Data: data }))
      poolConfigured({ resourceName: 'first' }, { resourceName: 'second' })(world)
    },
  ],
  [
    'pool-conf-invalid',
    'a device plugin’s file that is no JSON',
    (world) => world.files.set('/etc/pcidp/config.json', '{'),
  ],
  [
    'pool-conf-invalid',
    'a selector that is not supported',
    poolConfigured({ resourceName: 'a', selectors: [{ vdpaType: 'vhost' }] }),
  ],
  ['pool-overlap', 'two resources for one PF', poolConfigured({ resourceName: 'a' }, { resourceName: 'b' })],
  ['kernel-lacks', 'a kernel of Debian 11', (world) => world.files.set('/proc/sys/kernel/osrelease', '5.10.0-28\n')],
  [
    'clock-behind',
    'a clock that was set back',
    (world) => {
      const entry = { verb: 'ADD', ms: 1, containerId: 'c', ifName: 'net1', network: 'n' }
      const at = (time: string) => `${JSON.stringify({ ...entry, at: time })}\n`
      world.folders.add('/var/lib/cni/sriov')
      world.files.set(JOURNAL, at('2026-01-01T10:00:00.000Z') + at('2026-01-01T09:00:00.000Z'))
    },
  ],
  ['kernel-too-old', 'an old kernel', (world) => world.files.set('/proc/sys/kernel/osrelease', '4.15.0\n')],
  [
    'plugin-missing',
    'no plugin',
    (world) => {
      configured({ master: 'ens1f0' })(world)
      world.programs.delete('/opt/cni/bin/sriov')
    },
  ],
]

function linkNamed(world: FakeWorld, name: string, change: object): void {
  Object.assign(world.host.links.find((link) => link.name === name) ?? {}, change)
}

function setVf(world: FakeWorld, change: object): void {
  Object.assign(world.vf(VF_ADDRESS).settings, change)
}

describe('the resident process', () => {
  const RELEASES = '/opt/cni/bin/.sriov'
  afterEach(() => {
    resident.is = { reaction: 'answered' }
  })

  test.each<readonly [string[], Resident]>([
    [['resident-absent'], { reaction: 'absent' }],
    [['resident-hung'], { reaction: 'hung' }],
    [['resident-other-version'], { reaction: 'answered', folder: `${RELEASES}/release-1` }],
    [[], { reaction: 'answered', folder: `${RELEASES}/release-2` }],
    [[], { reaction: 'answered', folder: '/tmp/elsewhere/release-1' }],
  ])('%j: %j', async (ids, is) => {
    resident.is = is
    const world = makeMachine()
    world.symlinks.set(`${RELEASES}/current`, 'release-2')
    expect(await idsOf(world)).toEqual(ids)
  })

  test.each(['absent', 'hung'] as const)(
    'of a DaemonSet that is %s: the pod is named, not a unit',
    async (reaction) => {
      resident.is = { reaction }
      const world = makeMachine()
      expect((await sriovctl(world, ['doctor'])).text).toContain('systemctl')
      world.folders.add('/var/lib/sriov-cni')
      const { text } = await sriovctl(world, ['doctor'])
      expect(text).toContain('kubectl get pod -A -l app.kubernetes.io/name=sriov-cni')
      expect(text).not.toContain('systemctl')
    },
  )

  test('that is absent is no error', async () => {
    resident.is = { reaction: 'absent' }
    expect(await sriovctl(makeMachine(), ['doctor'])).toMatchObject({
      exitCode: 0,
      text: expect.stringMatching(/^all is well\n\ninfo .*daemon\.sock: nobody listens/),
    })
  })
})

test('doctor --kubeconfig looks at the network definitions of the cluster', async () => {
  const world = makeMachine()
  const item = (name: string, config: object, annotations = {}) => ({
    metadata: { name, namespace: 'shop', annotations },
    spec: { config: JSON.stringify({ cniVersion: '1.0.0', type: 'sriov', ...config }) },
  })
  const items = [
    item('wrong', { master: 'ens1f0', vlan: 5000 }),
    item('sound', { vlan: 5 }, { 'k8s.v1.cni.cncf.io/resourceName': 'example.com/vfs' }),
  ]
  world.programs.set('/opt/cni/bin/sriov', () => ({ status: 0, stdout: '' }))
  world.programs.set('/usr/bin/kubectl', ({ args }) =>
    args.includes('--kubeconfig=/root/admin.conf')
      ? { status: 0, stdout: JSON.stringify({ items }) }
      : { status: 1, stdout: '', stderr: 'no such file' },
  )
  const words = ['doctor', '--json', '--kubeconfig']
  expect(jsonOf(await sriovctl(world, [...words, '/root/admin.conf']))).toMatchObject({
    findings: [{ id: 'conf-invalid', subject: 'shop/wrong:1', message: expect.stringMatching(/^vlan: /) }],
  })
  await expect(sriovctl(world, [...words, '/nowhere'])).rejects.toThrow('kubectl: no such file')
})

test('doctor counts the VFs after each selector of an empty resource', async () => {
  const world = makeMachine()
  await FAULTS.find(([id]) => id === 'kubelet-resource-empty')?.[2](world)
  const { text } = await sriovctl(world, ['doctor'])
  expect(text).toContain('4 after pfNames [{"pf":"ens1f0"}], 0 after drivers ["vfio-pci"]')
})

describe('doctor finds', () => {
  test.each(FAULTS)('%s: %s', async (id, _what, plant) => {
    const world = makeMachine()
    await plant(world)
    expect(await idsOf(world)).toContain(id)
    const { exitCode, text } = await sriovctl(world, ['doctor'])
    expect(exitCode).toBe((await errorIn(world)) ? 1 : 0)
    expect(text).toContain(`docs/troubleshooting.md#${id}`)
    expect(text).toContain(CHECKS[id].why)
  })

  test('no VFs, and how to make them', async () => {
    const world = makeMachine()
    world.cards[0]?.vfs.splice(0)
    world.files.set(`/sys/bus/pci/devices/${PF_ADDRESS}/sriov_totalvfs`, '7\n')
    expect(await sriovctl(world, ['doctor'])).toMatchObject({
      exitCode: 0,
      text: expect.stringContaining('it can have 7\n    '),
    })
  })

  test('nothing of a PF without VFs that a pod has as a whole: a new number would reset it', async () => {
    const world = makeMachine()
    world.cards[0]?.vfs.splice(0)
    world.files.set(`/sys/bus/pci/devices/${PF_ADDRESS}/sriov_totalvfs`, '7\n')
    const { deviceID: _named, ...conf } = netConf({ master: 'ens1f0', pfOnly: true }) as Record<string, unknown>
    expect((await call(world, 'ADD', conf)).exitCode).toBe(0)
    const { text } = await sriovctl(world, ['doctor', '--json'])
    expect(text).not.toContain('no-vfs')
  })

  test('one MAC twice where none of the two is free, and no command that would take it from its user', async () => {
    const world = makeMachine()
    for (const { settings } of world.cards[0]?.vfs.slice(0, 2) ?? []) {
      Object.assign(settings, { mac: '02:00:00:00:09:09' })
    }
    for (const vf of world.cards[0]?.vfs.slice(0, 2) ?? []) {
      world.files.set(`/var/lib/cni/sriov/pci/${vf.address}`, POD_A)
    }
    const { text } = await sriovctl(world, ['doctor'])
    expect(text).toContain('have one MAC')
    expect(text).not.toContain('mac 00:00:00:00:00:00')
  })

  test('a mistake in the resources of the cluster, where the DaemonSet has put them', async () => {
    const world = makeMachine()
    world.files.set('/etc/pcidp/config.json', '{"resourceList":[]}')
    world.files.set('/var/lib/sriov-cni/pools.json', '{')
    expect(jsonOf(await sriovctl(world, ['doctor', '--json']))).toMatchObject({
      findings: expect.arrayContaining([
        expect.objectContaining({
          id: 'pool-conf-invalid',
          subject: '/var/lib/sriov-cni/pools.json',
          remedy: [expect.stringContaining('pools.json of the ConfigMap')],
        }),
      ]),
    })
  })

  test('errors before warnings', async () => {
    const world = makeMachine()
    setVf(world, { vlan: 7 })
    linkNamed(world, 'ens1f0', { isUp: false })
    const { text } = await sriovctl(world, ['doctor'])
    expect(text).toMatch(/^1 error, 1 warning\n\nerror ens1f0: is down\n(?:.*\n)*\nwarning 0000:01:10\.4/)
  })
})

const errorIn = async (world: FakeWorld) =>
  !(jsonOf(await sriovctl(world, ['doctor', '--json'])) as { success: boolean }).success

test('every id is in docs/troubleshooting.md, with its cause and its remedy', () => {
  const page = readFileSync('docs/troubleshooting.md', 'utf8')
  const missing = Object.keys(CHECKS).filter((id) => !page.includes(`<a id="${id}"></a>`))
  expect(missing).toEqual([])
})

test.each(['doctor', 'configuration', 'status'] as const)(
  'the published schema of %s is that of the code',
  async (name) => {
    await expect(`${JSON.stringify(SCHEMAS[name](), undefined, 2)}\n`).toMatchFileSnapshot(
      `../../../docs/${name}.schema.json`,
    )
  },
)

test('doctor says which command makes a changed setting again', async () => {
  const world = makeMachine()
  await FAULTS.find(([id]) => id === 'vf-settings-changed')?.[2](world)
  const { text } = await sriovctl(world, ['doctor'])
  expect(text).toMatch(/VF 2 of ens1f0\): vlan 100 .*, spoofchk off was set for container pod-a/)
  expect(text).toContain('$ ip link set ens1f0 vf 2 vlan 100 qos 0 proto 802.1q\n')
  expect(text).toContain('$ ip link set ens1f0 vf 2 spoofchk off\n')
})
