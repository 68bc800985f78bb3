import { errnoOf, PluginError } from '../errors.js'
import type { Netns } from '../host/ports.js'
import type { Link } from '../netlink/link.js'
import type { PciAddress } from '../pci/address.js'
import type { Rtnl } from '../rtnl/connection.js'
import { allLinks, changeLink, linkByIndex, linkByName } from '../rtnl/link.js'
import { mayNotSetMac } from './mac.js'

/** A move of an interface from one namespace into another, and what it is to be there. MTU in bytes. */
export interface Move {
  readonly link: Link
  readonly from: Rtnl
  readonly to: Rtnl
  readonly into: Netns
  readonly device: PciAddress
  readonly driver: string
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
}

/** How a move ended: the interface where it is now, and whether the driver let it have the MAC. */
export interface Moved {
  readonly link: Link
  readonly couldSetMac: boolean
}

/** Whether an interface belongs to a PCI function; by its name where the kernel does not tell (before 5.14). */
const belongsTo = (link: Link, device: PciAddress, names: readonly string[]): boolean =>
  link.parentDevice === undefined ? names.includes(link.name) : link.parentDevice === device

/** The interface of a PCI function in a namespace; undefined when it is not there. @throws PluginError kind `kernel` */
export async function findNetdev(rtnl: Rtnl, device: PciAddress, names: readonly string[]): Promise<Link | undefined> {
  for (const name of names) {
    const link = await linkByName(rtnl, name)
    if (link && belongsTo(link, device, names)) {
      return link
    }
  }
  return (await allLinks(rtnl)).find((link) => link.parentDevice === device)
}

/** What is left to do one by one after the kernel stopped in the middle of a move. */
async function finishMove({ to, device, driver, name, mac, mtu }: Move, link: Link): Promise<Moved> {
  const step = (operation: string, change: Parameters<typeof changeLink>[2]) =>
    changeLink(to, link.index, change, { operation, target: `${link.name} (${device}) in ${to.netnsPath}`, driver })
  let couldSetMac = true
  if (mac !== undefined && link.mac !== mac) {
    try {
      await step(`set mac ${mac}`, { mac })
    } catch (error) {
      if (!mayNotSetMac(error)) {
        throw error
      }
      couldSetMac = false
    }
  }
  if (mtu !== undefined && link.mtu !== mtu) {
    await step(`set mtu ${mtu}`, { mtu })
  }
  if (link.name !== name) {
    await step(`rename it to ${name}`, { name })
  }
  return {
    link: { ...link, name, mtu: mtu ?? link.mtu, mac: couldSetMac && mac !== undefined ? mac : link.mac },
    couldSetMac,
  }
}

/**
 * Moves an interface that is down, naming it on the way: the other namespace never sees its old name. Not atomic: when
 * the kernel stops after the move, the rest is done step by step, so that an error names the step.
 * @throws PluginError kinds `interfaceExists`, `kernel`
 */
export async function moveNetdev(move: Move): Promise<Moved> {
  const { link, from, to, into, device, driver, name, mac, mtu } = move
  const blame = { operation: `move it into ${to.netnsPath} as ${name}`, target: `${link.name} (${device})`, driver }
  const change = { netnsFd: into.fd, name, ...(mac !== undefined && { mac }), ...(mtu !== undefined && { mtu }) }
  try {
    await changeLink(from, link.index, change, blame)
  } catch (error) {
    if ((await linkByIndex(from, link.index))?.name === link.name) {
      const isTaken = errnoOf(error) === 'EEXIST' && (await linkByName(to, name)) !== undefined
      throw isTaken ? new PluginError({ kind: 'interfaceExists', name, netns: to.netnsPath }) : error
    }
    const arrived = await findNetdev(to, device, [name, link.name])
    if (!arrived) {
      throw error
    }
    return finishMove(move, arrived)
  }
  const arrived = await findNetdev(to, device, [name])
  if (!arrived) {
    throw new PluginError({ kind: 'kernel', ...blame, code: 'ENODEV', text: 'it is not there after the move' })
  }
  return { link: arrived, couldSetMac: true }
}
