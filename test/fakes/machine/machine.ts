import { leaseProgram } from '../ipam.js'
import { makeLink } from '../kernel/links.js'
import { ableDriver, type FakeCard, type FakeVf, freshSettings, igbDriver, type PfDriver } from './card.js'
import { devbind } from './pci-drivers.js'
import { FakeWorld } from './world.js'

export const PF = 'ens1f0'
export const PF_ADDRESS = '0000:01:00.0'
export const VF_ADDRESS = '0000:01:10.4'
export const VF_NAME = 'ens1f0v2'
export const VF_INDEX = 2
export const OTHER_VF_ADDRESS = '0000:01:10.2'
export const IPAM_PATH = '/opt/cni/bin/host-local'
export const DEVBIND_PATH = '/usr/bin/dpdk-devbind.py'
export const POD_A = '/run/netns/pod-a'
export const POD_B = '/run/netns/pod-b'

const vfMacAt = (index: number): string => `02:00:00:00:01:0${index}`

export const OWN_MAC = vfMacAt(VF_INDEX)

/** One card with four VFs. VF 2 is the one the tests use: it has settings of its own that must survive. */
function makeCard(driver: PfDriver): FakeCard {
  const vfs = [0, 1, 2, 3].map(
    (index): FakeVf => ({
      address: `0000:01:10.${index * 2}`,
      index,
      driver: driver === igbDriver ? 'igbvf' : 'ablevf',
      // igbvf tells its PF its MAC as soon as it is bound.
      settings: { ...freshSettings(), ...(driver.showsVfMac && { mac: vfMacAt(index) }) },
      hasAdminMac: false,
      unreported: [],
    }),
  )
  return { address: PF_ADDRESS, driver, vfs }
}

const KERNEL_RELEASE = '6.12.1'
const VF_MODALIAS = 'pci:v00008086d000010CAsv00008086sd0000A03Cbc02sc00i00'
/** As depmod(8) writes it: both VF drivers are made for the VFs, and another is not. */
const MODULE_ALIASES = `# Aliases extracted from modules themselves.
alias pci:v00008086d000010CAsv*sd*bc*sc*i* igbvf
alias pci:v00008086d000010CAsv*sd*bc*sc*i* ablevf
alias pci:v000015B3d00001018sv*sd*bc*sc*i* mlx5_core
`

/** A node with one card, two pods and an IPAM plugin. */
export function makeMachine(driver: PfDriver = ableDriver): FakeWorld {
  const world = new FakeWorld()
  const card = makeCard(driver)
  world.cards.push(card)
  world.host.links.push(
    makeLink({ name: 'lo', mac: '00:00:00:00:00:00', isUp: true }),
    makeLink({ name: PF, mac: '02:00:00:00:01:ff', isUp: true, parentDevice: PF_ADDRESS }),
    ...card.vfs.map(({ address, index }) =>
      makeLink({
        name: `${PF}v${index}`,
        mac: vfMacAt(index),
        parentDevice: address,
        altNames: [`enp1s0f0v${index}`],
      }),
    ),
  )
  for (const path of [POD_A, POD_B]) {
    world.addNetns(path).links.push(makeLink({ name: 'eth0', mac: '02:00:00:00:0a:01', isUp: true }))
  }
  world.programs.set(IPAM_PATH, leaseProgram())
  world.programs.set(DEVBIND_PATH, devbind)
  for (const [number, { address }] of card.vfs.entries()) {
    world.iommuGroups.set(number + 20, [address])
    world.files.set(`/sys/bus/pci/devices/${address}/modalias`, `${VF_MODALIAS}\n`)
  }
  world.files.set('/proc/stat', 'cpu  1 2 3\nbtime 1700000000\n')
  world.files.set('/proc/sys/kernel/osrelease', `${KERNEL_RELEASE}\n`)
  world.files.set(`/lib/modules/${KERNEL_RELEASE}/modules.alias`, MODULE_ALIASES)
  world.folders.add('/run/netns')
  return world
}
