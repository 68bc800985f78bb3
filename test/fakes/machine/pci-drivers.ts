import { freeName, makeLink, Refused } from '../kernel/links.js'
import { type FakeCard, type FakeVf, igbDriver } from './card.js'
import type { Program } from './processes.js'
import type { FakeWorld } from './world.js'

/** A driver of the kernel for PCI functions. */
export interface PciDriver {
  readonly makesNetdev: boolean
  /** It does not take a function that is offered to it. */
  readonly refuses?: boolean
}

/** What drivers a machine has loaded. */
export const usualDrivers = (): Map<string, PciDriver> =>
  new Map([
    ['igbvf', { makesNetdev: true }],
    ['ablevf', { makesNetdev: true }],
    ['vfio-pci', { makesNetdev: false }],
  ])

const DEVICES = '/sys/bus/pci/devices/'

/** The driver of the kernel that takes a VF by itself. */
export const ownDriverOf = ({ driver }: FakeCard): string => (driver === igbDriver ? 'igbvf' : 'ablevf')

let made = 0

/** A new interface, with the MAC that the PF administers or one of its own. */
function makeNetdev(world: FakeWorld, card: FakeCard, vf: FakeVf): void {
  made += 1
  const mac = vf.hasAdminMac ? vf.settings.mac : `02:fe:00:00:00:${(made % 256).toString(16).padStart(2, '0')}`
  if (card.driver.showsVfMac) {
    vf.settings.mac = mac
  }
  world.host.links.push(makeLink({ name: freeName(world.host, 'eth%d'), mac, parentDevice: vf.address }))
}

/** Takes a VF from its driver; its interface goes with it, wherever that is. */
function unbind(world: FakeWorld, vf: FakeVf): void {
  if (vf.driver === undefined) {
    throw new Refused('ENODEV')
  }
  if (world.openFunctions.has(vf.address)) {
    throw new Refused('ETIMEDOUT')
  }
  vf.driver = undefined
  for (const { links } of world.namespaces.values()) {
    for (const link of links.filter(({ parentDevice }) => parentDevice === vf.address)) {
      links.splice(links.indexOf(link), 1)
    }
  }
}

/** Gives a VF to a driver, or to none, before the plugin comes; its interface goes. */
export function giveTo(world: FakeWorld, address: string, driver: string | undefined): void {
  const { vf } = functionAt(world, address)
  unbind(world, vf)
  vf.driver = driver
}

/** Offers a VF without a driver to the one that may have it. */
function probe(world: FakeWorld, card: FakeCard, vf: FakeVf): void {
  const name = vf.driverOverride || ownDriverOf(card)
  const driver = world.pciDrivers.get(name)
  if (vf.driver === undefined && driver && !driver.refuses) {
    vf.driver = name
    if (driver.makesNetdev) {
      makeNetdev(world, card, vf)
    }
  }
}

function functionAt(world: FakeWorld, address: string) {
  const found = world.vfAt(address)
  if (!found) {
    throw new Refused('ENODEV')
  }
  return found
}

/** The kernel makes VFs only where there are none (drivers/pci/iov.c). */
function writeCard(world: FakeWorld, card: FakeCard, attribute: string, value: number): void {
  if (attribute === 'sriov_drivers_autoprobe') {
    card.isNotProbed = value === 0
    return
  }
  if (attribute !== 'sriov_numvfs') {
    throw new Refused('ENOENT')
  }
  if (value === 0) {
    card.spareVfs = [...card.vfs]
    for (const vf of card.vfs.filter(({ driver }) => driver !== undefined)) {
      unbind(world, vf)
    }
    card.vfs.length = 0
    return
  }
  if (card.vfs.length > 0) {
    throw new Refused('EBUSY')
  }
  if (card.refusesCount === value) {
    throw new Refused('ENOSPC')
  }
  card.vfs.push(...(card.spareVfs ?? []).slice(0, value))
  for (const vf of card.isNotProbed ? [] : card.vfs) {
    probe(world, card, vf)
  }
}

/** A write to an attribute of sysfs. @throws Refused */
export function writeSysfs(world: FakeWorld, path: string, text: string): void {
  const value = text.trim()
  if (path === '/sys/bus/pci/drivers_probe') {
    const { card, vf } = functionAt(world, value)
    probe(world, card, vf)
    return
  }
  const [address = '', ...attribute] = path.slice(DEVICES.length).split('/')
  const pf = world.cardOf(address)
  if (pf) {
    writeCard(world, pf, attribute.join('/'), Number(value))
    return
  }
  const { vf } = functionAt(world, address)
  switch (attribute.join('/')) {
    case 'driver_override':
      vf.driverOverride = value
      return
    case 'driver/unbind':
      unbind(world, vf)
      return
    case 'reset':
      if (vf.driver !== undefined && world.pciDrivers.get(vf.driver)?.makesNetdev) {
        throw new Error('igbvf would keep the writer waiting for ever')
      }
      vf.resets = (vf.resets ?? 0) + 1
      return
    default:
      throw new Refused('ENOENT')
  }
}

/** dpdk-devbind.py: `-b <driver> <BDF>`. */
export const devbind: Program = ({ args: [option, driver = '', address = ''] }, world) => {
  const { card, vf } = functionAt(world, address)
  if (option !== '-b' || !world.pciDrivers.has(driver)) {
    return { status: 1, stdout: '', stderr: `Error: Driver '${driver}' is not loaded.\n` }
  }
  vf.driverOverride = driver
  if (vf.driver !== undefined) {
    unbind(world, vf)
  }
  probe(world, card, vf)
  vf.driverOverride = ''
  return { status: vf.driver === driver ? 0 : 1, stdout: '', stderr: '' }
}
