import { ZERO_MAC } from '../../src/netlink/mac.js'
import { ableDriver, igbDriver, type PfDriver } from './machine/card.js'
import { DEVBIND_PATH, makeMachine, VF_ADDRESS, VF_NAME } from './machine/machine.js'
import type { FakeWorld } from './machine/world.js'
import { setPolicy } from './policy.js'

export const WANTED_MAC = '02:00:00:00:00:77'

export const IPAM = { ipam: { type: 'host-local', subnet: '10.56.0.0/24' } }

/** Every setting that igb can do. */
export const IGB_SETTINGS = {
  vlan: 100,
  vlanQoS: 3,
  mac: WANTED_MAC,
  max_tx_rate: 200,
  spoofchk: 'off',
  mtu: 2000,
  promisc: true,
  allmulti: true,
}

/** Every setting there is. */
export const ALL_SETTINGS = {
  ...IGB_SETTINGS,
  vlanProto: '802.1AD',
  min_tx_rate: 10,
  trust: 'on',
  link_state: 'enable',
}

/** What of the settings a VF without an interface has. */
const { mtu: _mtu, promisc: _promisc, allmulti: _allmulti, ...PF_SETTINGS } = ALL_SETTINGS
const { mtu: _igbMtu, promisc: _igbPromisc, allmulti: _igbAllmulti, ...IGB_PF_SETTINGS } = IGB_SETTINGS

const BY_SYSFS = { dpdk: { dpdk_driver: 'vfio-pci' } }
const BY_TOOL = { dpdk: { dpdk_driver: 'vfio-pci', kernel_driver: 'igbvf', dpdk_tool: DEVBIND_PATH } }

type Arrange = (world: FakeWorld) => void

const plain: Arrange = () => undefined

/** A VF whose every setting differs from the default before the ADD. */
const seasoned: Arrange = (world) => {
  const { settings } = world.vf(VF_ADDRESS)
  Object.assign(settings, { vlan: 7, vlanQoS: 1, maxTxRateMbps: 500, spoofchk: false })
  Object.assign(world.link(world.host, VF_NAME), { mtu: 1400, isUp: true, isPromisc: true })
}

/** A VF whose PF was told a MAC before. */
const administered: Arrange = (world) => {
  const vf = world.vf(VF_ADDRESS)
  vf.hasAdminMac = true
  vf.settings.mac = '02:00:00:00:00:55'
  world.link(world.host, VF_NAME).mac = '02:00:00:00:00:55'
}

/** A VF that igbvf of before Linux 6.2 was bound to, and that was not up yet. */
const unknownToPf: Arrange = (world) => {
  const vf = world.vf(VF_ADDRESS)
  vf.settings.mac = ZERO_MAC
  vf.needsReset = true
}

const trusted: Arrange = (world) => {
  world.vf(VF_ADDRESS).settings.trust = true
}

/** A VF that was given to a driver of user space before. */
const onVfio: Arrange = (world) => {
  seasoned(world)
  const { links } = world.host
  links.splice(links.indexOf(world.link(world.host, VF_NAME)), 1)
  world.vf(VF_ADDRESS).driver = 'vfio-pci'
}

/** As the resident process has it: the kernel works while the call goes on. */
const threaded: Arrange = (world) => {
  seasoned(world)
  world.hasThreads = true
}

const allowingFolders: Arrange = (world) => setPolicy(world, { stateFolders: ['/srv'] })

/** A VF with an RDMA device, on a node where each is in one namespace. Another has the lower index. */
const withRdma: Arrange = (world) => {
  seasoned(world)
  world.makeRdmaExclusive()
  world.addRdma('mlx5_0', world.cards[0]?.address ?? '')
  world.addRdma('mlx5_3', VF_ADDRESS)
}

const onOldKernel: Arrange = (world) => {
  seasoned(world)
  world.ageKernel()
}

export interface Scenario {
  readonly name: string
  readonly make: () => FakeWorld
  readonly conf: object
}

/** Whether a pod has its VF: the interface, or for DPDK the driver. */
export const isServed = (world: FakeWorld, podPath: string): boolean =>
  world.vf(VF_ADDRESS).driver === 'vfio-pci' || world.netns(podPath).links.some(({ name }) => name === 'net1')

const scenario = (name: string, driver: PfDriver, arrange: Arrange, conf: object): Scenario => ({
  name,
  conf: { ...conf, ...IPAM },
  make() {
    const world = makeMachine(driver)
    arrange(world)
    return world
  },
})

/** Worlds and configurations that between them have every setting, every kind of MAC, and every original state. */
export const SCENARIOS: readonly Scenario[] = [
  scenario('no settings', ableDriver, plain, {}),
  scenario('all settings', ableDriver, plain, ALL_SETTINGS),
  scenario('all settings over others', ableDriver, seasoned, ALL_SETTINGS),
  scenario('all settings over an administered MAC', ableDriver, administered, ALL_SETTINGS),
  scenario('records in another folder', ableDriver, allowingFolders, { ...ALL_SETTINGS, cniDir: '/srv/cni' }),
  scenario('all settings, resident', ableDriver, threaded, ALL_SETTINGS),
  scenario('all settings on an old kernel', ableDriver, onOldKernel, ALL_SETTINGS),
  scenario('all settings and an RDMA device', ableDriver, withRdma, { ...ALL_SETTINGS, rdma: true }),
  scenario('igb', igbDriver, plain, IGB_SETTINGS),
  scenario('igb with a VF that its PF does not know', igbDriver, unknownToPf, IGB_SETTINGS),
  scenario('igb with an administered MAC', igbDriver, administered, IGB_SETTINGS),
  scenario('igb with a trusted VF', igbDriver, trusted, IGB_SETTINGS),
  scenario('dpdk without settings', ableDriver, plain, BY_SYSFS),
  scenario('dpdk over others', ableDriver, seasoned, { ...PF_SETTINGS, ...BY_SYSFS, flr: true }),
  scenario('dpdk on igb with an administered MAC', igbDriver, administered, { ...IGB_PF_SETTINGS, ...BY_SYSFS }),
  scenario('dpdk by its tool on igb', igbDriver, plain, { ...IGB_PF_SETTINGS, ...BY_TOOL }),
  scenario('a VF that is on vfio-pci', ableDriver, onVfio, PF_SETTINGS),
]
