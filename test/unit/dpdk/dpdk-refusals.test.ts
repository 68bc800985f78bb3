import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import {
  DEVBIND_PATH,
  IPAM_PATH,
  makeMachine,
  OTHER_VF_ADDRESS,
  PF,
  PF_ADDRESS,
  VF_ADDRESS,
} from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'

const DPDK = { dpdk_driver: 'vfio-pci' }
const NOIOMMU = '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode'

interface Case {
  readonly what: string
  readonly arrange: (world: FakeWorld) => void
  readonly conf: object
  readonly code: number
  readonly message: readonly (string | RegExp)[]
}

type Row = readonly [
  what: string,
  arrange: (world: FakeWorld) => void,
  conf: object,
  code: number,
  ...message: (string | RegExp)[],
]

const plain = () => undefined
const onVfio = (world: FakeWorld) => giveTo(world, VF_ADDRESS, 'vfio-pci')
const unloaded = (world: FakeWorld) => void world.pciDrivers.delete('vfio-pci')

const NEEDS_INTERFACE = ['needs a network interface in the pod', 'DPDK']

const ROWS: readonly Row[] = [
  ['a driver that is not loaded', unloaded, { dpdk: DPDK }, 101, 'dpdk.dpdk_driver', /modprobe vfio-pci/, VF_ADDRESS],
  [
    'a driver that modprobe does not load',
    (world) => {
      unloaded(world)
      world.programs.set('/usr/sbin/modprobe', () => ({ status: 1, stdout: '', stderr: 'FATAL: no module\n' }))
    },
    { dpdk: DPDK },
    101,
    'dpdk.dpdk_driver',
    'vfio-pci is not loaded',
    VF_ADDRESS,
  ],
  [
    'a driver that modprobe says it has loaded',
    (world) => {
      unloaded(world)
      world.programs.set('/sbin/modprobe', () => ({ status: 0, stdout: '' }))
    },
    { dpdk: DPDK },
    101,
    'vfio-pci is not loaded',
  ],
  [
    'vfio-pci with the IOMMU off',
    (world) => world.iommuGroups.clear(),
    { dpdk: DPDK },
    101,
    VF_ADDRESS,
    'vfio-pci',
    'intel_iommu=on',
    'enable_unsafe_noiommu_mode=1',
  ],
  [
    'vfio-pci with the IOMMU off and noiommu mode off',
    (world) => {
      world.iommuGroups.clear()
      world.files.set(NOIOMMU, 'N\n')
    },
    { dpdk: DPDK },
    101,
    'no IOMMU group',
  ],
  [
    'vfio-pci beside strangers in the IOMMU group',
    (world) => {
      world.iommuGroups.clear()
      world.iommuGroups.set(7, [VF_ADDRESS, OTHER_VF_ADDRESS, PF_ADDRESS])
    },
    { dpdk: DPDK },
    101,
    'IOMMU group 7',
    `${OTHER_VF_ADDRESS} (driver ablevf)`,
    `${PF_ADDRESS} (driver able)`,
    'ACS',
  ],
  [
    'a tool that cannot be run',
    (world) => world.programs.delete(DEVBIND_PATH),
    { dpdk: { ...DPDK, dpdk_tool: DEVBIND_PATH } },
    7,
    `dpdk.dpdk_tool: ${DEVBIND_PATH}`,
  ],
  [
    'the driver that gives the interface',
    (world) => setPolicy(world, { dpdkDrivers: ['ablevf'] }),
    { dpdk: { dpdk_driver: 'ablevf' } },
    7,
    'dpdk.dpdk_driver: ablevf is the driver that gives 0000:01:10.4 its interface',
  ],
  ['mtu with dpdk', plain, { dpdk: DPDK, mtu: 1500 }, 7, 'mtu: ', ...NEEDS_INTERFACE],
  [
    'promisc and allmulti with dpdk, even false',
    plain,
    { dpdk: DPDK, promisc: true, allmulti: false },
    7,
    'promisc: ',
    'allmulti: ',
  ],
  ['mtu on a VF that is found on vfio-pci', onVfio, { mtu: 1500 }, 7, 'mtu: ', ...NEEDS_INTERFACE],
  ['promisc on a VF that is found on vfio-pci', onVfio, { promisc: true }, 7, 'promisc: ', ...NEEDS_INTERFACE],
  ['dhcp', plain, { dpdk: DPDK, ipam: { type: 'dhcp' } }, 7, 'ipam.type', 'dhcp', ...NEEDS_INTERFACE],
  [
    'everything that is wrong at once',
    (world) => setPolicy(world, { dpdkDrivers: ['ablevf'], dpdkTools: ['/x'] }),
    { dpdk: { dpdk_driver: 'ablevf', dpdk_tool: '/x' }, mtu: 1500, ipam: { type: 'dhcp' } },
    7,
    /mtu: .*ipam\.type.*dpdk\.dpdk_driver: .*dpdk\.dpdk_tool: /,
  ],
  [
    'pfOnly with dpdk',
    plain,
    { deviceID: undefined, master: PF, pfOnly: true, dpdk: DPDK },
    7,
    'dpdk: cannot stand beside pfOnly',
  ],
  ['dpdk without a driver', plain, { dpdk: { kernel_driver: 'ablevf' } }, 7, 'dpdk.dpdk_driver: is missing'],
  ['a wrong driver name', plain, { dpdk: { dpdk_driver: 'a/b' } }, 7, 'dpdk.dpdk_driver', '"a/b"'],
  ['dpdk that is no object', plain, { dpdk: 'vfio-pci' }, 7, 'dpdk: must be an object'],
  [
    'a VF whose interface is in another namespace',
    (world) => {
      const link = world.host.links.find(({ parentDevice }) => parentDevice === VF_ADDRESS)
      world.host.links.splice(world.host.links.indexOf(link as never), 1)
    },
    { dpdk: DPDK },
    101,
    VF_ADDRESS,
    'another network namespace has it',
  ],
  [
    'a VF without a driver and without dpdk',
    (world) => giveTo(world, VF_ADDRESS, undefined),
    {},
    101,
    VF_ADDRESS,
    'bound to no driver',
  ],
  ['flr that is no boolean', plain, { flr: 'yes' }, 7, 'flr: must be true or false'],
]

const CASES = ROWS.map(([what, arrange, conf, code, ...message]): Case => ({ what, arrange, conf, code, message }))

describe('ADD refuses, with nothing changed,', () => {
  test.each(CASES)('$what', async ({ arrange, conf, code, message }) => {
    const world = makeMachine()
    world.programs.set('/opt/cni/bin/dhcp', world.programs.get(IPAM_PATH) ?? (() => ({ status: 1, stdout: '' })))
    arrange(world)
    const before = snapshot(world)
    const answer = await call(world, 'ADD', netConf(conf))
    expect(codeOf(answer)).toBe(code)
    for (const part of message) {
      expect(messageOf(answer)).toMatch(part)
    }
    expect(snapshot(world)).toEqual(before)
    expect(await call(world, 'DEL', netConf(conf))).toMatchObject({ exitCode: 0, stdout: '' })
    expect(snapshot(world)).toEqual(before)
  })
})

describe('ADD takes', () => {
  test('a driver that modprobe loads', async () => {
    const world = makeMachine()
    unloaded(world)
    const asked: string[] = []
    world.programs.set('/sbin/modprobe', ({ args }) => {
      asked.push(args.join(' '))
      world.pciDrivers.set('vfio-pci', { makesNetdev: false })
      return { status: 0, stdout: '' }
    })
    expect(messageOf(await call(world, 'ADD', netConf({ dpdk: DPDK })))).toBe('')
    expect(asked).toEqual(['vfio-pci'])
  })

  test('vfio-pci without an IOMMU in noiommu mode', async () => {
    const world = makeMachine()
    world.iommuGroups.clear()
    world.files.set(NOIOMMU, 'Y\n')
    expect(messageOf(await call(world, 'ADD', netConf({ dpdk: DPDK })))).toBe('')
  })

  test('a driver of uio without an IOMMU', async () => {
    const world = makeMachine()
    world.iommuGroups.clear()
    world.pciDrivers.set('igb_uio', { makesNetdev: false })
    expect(messageOf(await call(world, 'ADD', netConf({ dpdk: { dpdk_driver: 'igb_uio' } })))).toBe('')
  })

  test('an IOMMU group whose others are on vfio-pci, too', async () => {
    const world = makeMachine()
    world.iommuGroups.clear()
    world.iommuGroups.set(7, [VF_ADDRESS, OTHER_VF_ADDRESS])
    giveTo(world, OTHER_VF_ADDRESS, 'vfio-pci')
    expect(messageOf(await call(world, 'ADD', netConf({ dpdk: DPDK })))).toBe('')
  })

  test('an empty dpdk as none, and its keys in any case', async () => {
    const world = makeMachine()
    expect(messageOf(await call(world, 'ADD', netConf({ dpdk: {} })))).toBe('')
    expect(world.vf(VF_ADDRESS).driver).toBe('ablevf')
    await call(world, 'DEL', netConf())
    expect(messageOf(await call(world, 'ADD', netConf({ DPDK: { DPDK_Driver: 'vfio-pci' } })))).toBe('')
    expect(world.vf(VF_ADDRESS).driver).toBe('vfio-pci')
  })
})
