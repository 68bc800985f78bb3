import { basename, dirname } from 'node:path'
import { rdmaFolder } from '../kernel/rdma.js'
import type { FakeWorld } from './world.js'

const DEVICES = '/sys/bus/pci/devices/'

const INTERFACES = '/sys/class/net/'

const DRIVERS = '/sys/bus/pci/drivers/'

const GROUPS = '/sys/kernel/iommu_groups/'

export const isSysfs = (path: string): boolean =>
  [DEVICES, DRIVERS, GROUPS].some((folder) => `${path}/`.startsWith(folder)) || `${path}/`.startsWith(INTERFACES)

const groupOf = (world: FakeWorld, address: string): number | undefined =>
  [...world.iommuGroups].find(([, members]) => members.includes(address))?.[0]

const driverOf = (world: FakeWorld, address: string): string | undefined =>
  world.cardOf(address)?.driver.name ?? world.vfAt(address)?.vf.driver

/** The one level below a PCI function: names to link targets, or undefined for folders and files. */
function entriesOf(world: FakeWorld, address: string): Map<string, string | undefined> | undefined {
  const card = world.cardOf(address)
  const vf = world.vfAt(address)
  if (!card && !vf) {
    return undefined
  }
  const driver = driverOf(world, address)
  const group = groupOf(world, address)
  return new Map<string, string | undefined>([
    ...(driver === undefined ? [] : ([['driver', `../../../bus/pci/drivers/${driver}`]] as const)),
    ...(vf ? ([['physfn', `../${vf.card.address}`]] as const) : []),
    ...(card ? card.vfs.map((one) => [`virtfn${one.index}`, `../${one.address}`] as const) : []),
    ...(card ? ([['sriov_numvfs', undefined]] as const) : []),
    ...(group === undefined ? [] : ([['iommu_group', `../../../../kernel/iommu_groups/${group}`]] as const)),
    ...(vf ? ([['reset', undefined]] as const) : []),
    ['net', undefined],
  ])
}

const partsOf = (path: string): readonly string[] => path.slice(DEVICES.length).split('/')

/** The network interfaces of a function that are on the host: those in pods do not show. */
const netdevsOf = (world: FakeWorld, address: string): string[] =>
  world.host.links.filter((link) => link.parentDevice === address).map(({ name }) => name)

/** A text that a test has put there, or what every Ethernet interface of every card says. */
export const sysfsText = (world: FakeWorld, path: string): string | undefined =>
  world.files.get(path) ??
  ibdevText(world, path) ??
  countText(world, path) ??
  overrideText(world, path) ??
  devPortText(world, path) ??
  linkTypeText(world, path) ??
  autoprobeText(world, path) ??
  classText(world, path) ??
  indexText(world, path)

function indexText(world: FakeWorld, path: string): string | undefined {
  const link = world.host.links.find(({ name }) => path === `${INTERFACES}${name}/ifindex`)
  return link && `${link.index}\n`
}

const CLASS = /^([^/]+)\/class$/

/** Every function is an Ethernet controller. */
function classText(world: FakeWorld, path: string): string | undefined {
  const address = CLASS.exec(path.slice(DEVICES.length))?.[1]
  return world.cardOf(address) || world.vfAt(address) ? '0x020000\n' : undefined
}

const OVERRIDE = /^([^/]+)\/driver_override$/

/** As the kernel prints a text that is not there. */
function overrideText(world: FakeWorld, path: string): string | undefined {
  const address = OVERRIDE.exec(path.slice(DEVICES.length))?.[1]
  const vf = world.vfAt(address)?.vf
  return vf && `${vf.driverOverride || '(null)'}\n`
}

const COUNT = /^([^/]+)\/sriov_(?:num|total)vfs$/

function countText(world: FakeWorld, path: string): string | undefined {
  const card = world.cardOf(COUNT.exec(path.slice(DEVICES.length))?.[1])
  const total = Math.max(card?.vfs.length ?? 0, card?.spareVfs?.length ?? 0)
  return card && `${path.endsWith('totalvfs') ? total : card.vfs.length}\n`
}

function ibdevText(world: FakeWorld, path: string): string | undefined {
  const [, address, index] = /^([^/]+)\/infiniband_verbs\/uverbs(\d+)\/ibdev$/.exec(path.slice(DEVICES.length)) ?? []
  const device = world.rdma.devices.find((one) => one.address === address && one.index === Number(index))
  return device && `${device.name}\n`
}

function autoprobeText(world: FakeWorld, path: string): string | undefined {
  const card = path.endsWith('/sriov_drivers_autoprobe')
    ? world.cardOf(path.slice(DEVICES.length).split('/')[0])
    : undefined
  return card && `${card.isNotProbed ? 0 : 1}\n`
}

const ETHER = 1
const INFINIBAND = 32
const ETHERNET_ADDRESS_LENGTH = 17

function linkTypeText(world: FakeWorld, path: string): string | undefined {
  const link = world.host.links.find(({ name }) => path === `${INTERFACES}${name}/type`)
  return link && `${link.mac.length > ETHERNET_ADDRESS_LENGTH ? INFINIBAND : ETHER}\n`
}

function devPortText(world: FakeWorld, path: string): string | undefined {
  const port = path.endsWith('/dev_port')
    ? world.host.links.find(({ name }) => name === basename(dirname(path)))?.devPort
    : undefined
  return port === undefined ? undefined : `${port}\n`
}

const VIRTFN = /^virtfn(\d+)$/

export function sysfsLink(world: FakeWorld, path: string): string | undefined {
  if (path.startsWith(INTERFACES)) {
    const name = dirname(path).slice(INTERFACES.length)
    const device = world.host.links.find((link) => link.name === name)?.parentDevice
    return device === undefined || basename(path) !== 'device' ? undefined : `../../../${device}`
  }
  const [address = '', name = '', ...deeper] = partsOf(path)
  const index = VIRTFN.exec(name)?.[1]
  if (index !== undefined && deeper.length === 0) {
    const vf = world.cardOf(address)?.vfs[Number(index)]
    return vf?.index === Number(index) ? `../${vf.address}` : undefined
  }
  // A test may take a link away: inside a virtual machine a VF has no physfn.
  const replaced = world.symlinks.get(path)
  if (replaced !== undefined) {
    return replaced === '' ? undefined : replaced
  }
  return deeper.length > 0 ? undefined : entriesOf(world, address)?.get(name)
}

/** What a test has put there: the uio of a function, its RDMA device. */
const foldersIn = (world: FakeWorld, folder: string): string[] =>
  [...world.folders].filter((path) => dirname(path) === folder).map((path) => basename(path))

export function sysfsList(world: FakeWorld, folder: string): readonly string[] {
  if (folder.startsWith(GROUPS)) {
    return world.iommuGroups.get(Number(folder.slice(GROUPS.length).split('/')[0])) ?? []
  }
  if (`${folder}/` === DEVICES) {
    return world.cards.flatMap((card) => [card.address, ...card.vfs.map(({ address }) => address)])
  }
  if (`${folder}/` === INTERFACES) {
    return world.host.links.map(({ name }) => name)
  }
  if (folder.startsWith(INTERFACES)) {
    return foldersIn(world, folder)
  }
  const [address = '', name] = partsOf(folder)
  const entries = entriesOf(world, address)
  if (name === 'net') {
    return entries ? netdevsOf(world, address) : []
  }
  return name === undefined && entries
    ? [...entries.keys()]
    : [...foldersIn(world, folder), ...rdmaFolder(world, address, name ?? '')]
}

export function sysfsExists(world: FakeWorld, path: string): boolean {
  if (path.startsWith(INTERFACES)) {
    return world.host.links.some(({ name }) => name === path.slice(INTERFACES.length))
  }
  if (path.startsWith(DRIVERS)) {
    return world.pciDrivers.has(path.slice(DRIVERS.length))
  }
  // A test may take an attribute away.
  if (world.symlinks.get(path) === '') {
    return false
  }
  const [address = '', name, netdev] = partsOf(path)
  const entries = entriesOf(world, address)
  if (!entries || name === undefined) {
    return entries !== undefined
  }
  return netdev === undefined ? entries.has(name) : netdevsOf(world, address).includes(netdev)
}
