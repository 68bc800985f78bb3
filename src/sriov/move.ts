import { errnoOf, PluginError } from '../errors.js'
import type { Netns } from '../host/ports.js'
import type { Link, LinkChange } from '../netlink/link.js'
import type { PciAddress } from '../pci/address.js'
import type { Rtnl } from '../rtnl/connection.js'
import { allLinks, changeLink, linkByIndex, linkByName } from '../rtnl/link.js'
import type { AttachmentRecord } from '../state/record.js'

/** A move of an interface from one namespace into another, and what it is to be there. MTU in bytes. */
export interface Move {
  readonly link: Link
  readonly from: Rtnl
  readonly to: Rtnl
  readonly into: Netns
  readonly device: PciAddress
  readonly driver: string
  readonly name: string
  readonly mtu?: number
  /** Flags to have beside up; it stays down without. */
  readonly up?: Pick<LinkChange, 'isPromisc' | 'isAllmulti'>
}

/** How the interface of a PCI function is known where it is looked for. */
export interface Trace {
  readonly device: PciAddress
  /** What it may be called there: all there is to go by where the kernel does not tell the device (before 5.14). */
  readonly names: readonly string[]
  readonly isDeviceShown: boolean
}

/** What an attachment's interface is known by in its pod. */
export const traceOf = ({ deviceId, ifName, podIfName = ifName, original }: AttachmentRecord): Trace => ({
  device: deviceId,
  names: [podIfName, original.netdev.name],
  isDeviceShown: original.netdev.isDeviceShown,
})

const isTraced = (link: Link, { device, names, isDeviceShown }: Trace): boolean =>
  isDeviceShown ? link.parentDevice === device : names.includes(link.name)

/**
 * The interface of a PCI function in a namespace; undefined when it is not there. A virtual interface of the same name
 * is none.
 * @throws PluginError kind `kernel`
 */
export async function findNetdev(rtnl: Rtnl, trace: Trace): Promise<Link | undefined> {
  for (const name of trace.names) {
    const link = await linkByName(rtnl, name)
    if (link && isTraced(link, trace)) {
      return link
    }
  }
  return (await allLinks(rtnl)).find((link) => isTraced(link, trace))
}

/** What is left to do one by one after the kernel stopped in the middle of a move. */
async function finishMove({ to, device, driver, name, mtu, up }: Move, link: Link): Promise<void> {
  const blame = { target: `${link.name} (${device}) in ${to.netnsPath}`, driver }
  const step = (operation: string, change: LinkChange) => changeLink(to, link.index, change, { operation, ...blame })
  if (mtu !== undefined && link.mtu !== mtu) {
    await step(`set mtu ${mtu}`, { mtu })
  }
  if (link.name !== name) {
    await step(`rename it to ${name}`, { name })
  }
  if (up) {
    await step('bring it up', { ...up, isUp: true })
  }
}

/**
 * Moves an interface that is down, all in one message (linkChangeMessage() has the order): the other namespace never sees
 * its old name. Not atomic: when the kernel stops after the move, the rest is done step by step, so that an error names
 * the step.
 * @throws PluginError kinds `interfaceExists`, `kernel`
 */
export async function moveNetdev(move: Move): Promise<void> {
  const { link, from, to, into, device, driver, name, mtu, up } = move
  const blame = { operation: `move it into ${to.netnsPath} as ${name}`, target: `${link.name} (${device})`, driver }
  const change = { netnsFd: into.fd, name, ...(mtu !== undefined && { mtu }), ...(up && { ...up, isUp: true }) }
  try {
    await changeLink(from, link.index, change, blame)
  } catch (error) {
    if ((await linkByIndex(from, link.index))?.name === link.name) {
      const isTaken = errnoOf(error) === 'EEXIST' && (await linkByName(to, name)) !== undefined
      throw isTaken ? new PluginError({ kind: 'interfaceExists', name, netns: to.netnsPath }) : error
    }
    const isDeviceShown = link.parentDevice !== undefined
    const arrived = await findNetdev(to, { device, names: [name, link.name], isDeviceShown })
    if (!arrived) {
      throw error
    }
    await finishMove(move, arrived)
  }
}
