import { errnoOf, PluginError } from '../../errors.js'
import type { Netns } from '../../host/ports.js'
import type { Link, LinkChange } from '../../netlink/link.js'
import type { PciAddress } from '../../pci/address.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { pciDeviceOf } from '../../rtnl/device.js'
import { allLinks, changeLink, linkByIndex, linkByName } from '../../rtnl/link.js'
import type { AttachmentRecord } from '../../state/record.js'

/** A move of an interface into another namespace, and its settings there. MTU in bytes. */
export interface Move {
  readonly link: Link
  readonly from: Rtnl
  readonly to: Rtnl
  readonly into: Netns
  readonly device: PciAddress
  readonly driver: string
  readonly name: string
  readonly mtu?: number
  /** Flags to set in addition to up. When absent, the interface stays down. */
  readonly up?: Pick<LinkChange, 'isPromisc' | 'isAllmulti'>
}

/** How to recognize the interface of a PCI function in a namespace. */
export interface Trace {
  readonly device: PciAddress
  /** Its likely names. findNetdev() looks at them first. */
  readonly names: readonly string[]
}

/** How to recognize the interface of an attachment in its pod. */
export const traceOf = ({ deviceId, ifName, podIfName = ifName, original }: AttachmentRecord): Trace => ({
  device: deviceId,
  names: [podIfName, original.netdev.name],
})

/**
 * Finds the interface of a PCI function in a namespace, whatever its name is. Undefined when it is not there. A name
 * alone proves nothing: a pod can give it to another interface.
 * @throws PluginError kind `kernel`
 */
export async function findNetdev(rtnl: Rtnl, { device, names }: Trace): Promise<Link | undefined> {
  for (const name of names) {
    const link = await linkByName(rtnl, name)
    // Kernels before 6.6 also find an interface that has left the namespace, by an alternative name.
    if (link?.name === name && (await pciDeviceOf(rtnl, link)) === device) {
      return link
    }
  }
  for (const link of await allLinks(rtnl)) {
    if ((await pciDeviceOf(rtnl, link)) === device) {
      return link
    }
  }
  return undefined
}

/** The first name `dev<N>` that no interface of a namespace has. @throws PluginError kind `kernel` */
export async function freeDevName(rtnl: Rtnl): Promise<string> {
  for (let number = 0; ; number += 1) {
    const name = `dev${number}`
    if (!(await linkByName(rtnl, name))) {
      return name
    }
  }
}

/** Does the rest step by step after the kernel stopped in the middle of a move. */
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
 * Moves an interface that is down, all in one message (for the order see linkChangeMessage()): the other namespace
 * never sees its old name. This is not atomic. When the kernel stops after the move, the rest is done step by step, so
 * that an error names the step.
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
    const arrived = await findNetdev(to, { device, names: [name, link.name] })
    if (!arrived) {
      throw error
    }
    await finishMove(move, arrived)
  }
}
