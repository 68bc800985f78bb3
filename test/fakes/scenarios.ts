import { ableDriver, igbDriver, type PfDriver } from './card.js'
import { makeMachine, VF_ADDRESS, VF_NAME } from './machine.js'
import type { FakeWorld } from './world.js'

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

/** A VF that was up once: igb shows its own MAC as the one of the VF. */
const shown: Arrange = (world) => {
  world.vf(VF_ADDRESS).settings.mac = world.link(world.host, VF_NAME).mac
}

const trustedAndShown: Arrange = (world) => {
  shown(world)
  world.vf(VF_ADDRESS).settings.trust = true
}

export interface Scenario {
  readonly name: string
  readonly make: () => FakeWorld
  readonly conf: object
}

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
  scenario('igb', igbDriver, plain, IGB_SETTINGS),
  scenario('igb with a VF that was up', igbDriver, shown, IGB_SETTINGS),
  scenario('igb with an administered MAC', igbDriver, administered, IGB_SETTINGS),
  scenario('igb with a trusted VF', igbDriver, trustedAndShown, IGB_SETTINGS),
]
