import { PluginError } from '../errors.js'
import type { Attribute } from '../netlink/attribute.js'
import { nestedAttribute, textAttribute, u32Attribute } from '../netlink/attribute.js'
import {
  IFLA_ALT_IFNAME,
  IFLA_EXT_MASK,
  IFLA_IFNAME,
  IFLA_PROP_LIST,
  RTEXT_FILTER_SKIP_STATS,
  RTEXT_FILTER_VF,
  RTM_DELLINKPROP,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_NEWLINKPROP,
  RTM_SETLINK,
} from '../netlink/constants.js'
import { type Counters, linkCountersIn } from '../netlink/counters.js'
import { encodeLinkMessage, type Link, type LinkChange, linkChangeMessage, linkOf } from '../netlink/link.js'
import { bytesOfName } from '../netlink/name-bytes.js'
import { type VfChange, vfChangeAttribute } from '../netlink/vf-info.js'
import type { Rtnl } from './connection.js'

/** Longest name that IFLA_IFNAME takes, without the NUL. Alternative names may be longer (net/core/rtnetlink.c). */
const MAX_IFNAME_BYTES = 15

/** The operation, target and driver that an error message names. */
export interface Blame {
  readonly operation: string
  readonly target: string
  readonly driver?: string
}

const header = (index: number, attributes: readonly Attribute[]) =>
  encodeLinkMessage({ family: 0, linkType: 0, index, flags: 0, change: 0, attributes })

async function findLink(rtnl: Rtnl, target: string, payload: Buffer): Promise<Link | undefined> {
  const answer = await rtnl.find({ operation: 'look up the interface', target, type: RTM_GETLINK, payload })
  return answer && linkOf(answer.payload)
}

/** The interface with that name or alternative name; undefined when there is none. @throws PluginError kind `kernel` */
export const linkByName = (rtnl: Rtnl, name: string): Promise<Link | undefined> =>
  findLink(
    rtnl,
    name,
    header(0, [
      textAttribute(bytesOfName(name).length > MAX_IFNAME_BYTES ? IFLA_ALT_IFNAME : IFLA_IFNAME, name),
      u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS),
    ]),
  )

/** The interface with that index; undefined when there is none. @throws PluginError kind `kernel` */
export const linkByIndex = (rtnl: Rtnl, index: number): Promise<Link | undefined> =>
  findLink(rtnl, `interface ${index}`, header(index, [u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)]))

/**
 * A PF with the settings of all its VFs, and with their counters if wanted. This look-up is expensive: the kernel asks the
 * driver about every VF under RTNL.
 * @throws PluginError kind `kernel`; kind `device` when the PF is gone
 */
export async function pfWithVfs(rtnl: Rtnl, pfName: string, hasCounters = false): Promise<Link> {
  const answer = await rtnl.find({
    operation: 'read the VF settings',
    target: pfName,
    type: RTM_GETLINK,
    payload: header(0, [
      textAttribute(IFLA_IFNAME, pfName),
      u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_VF | (hasCounters ? 0 : RTEXT_FILTER_SKIP_STATS)),
    ]),
    trace: { isVfDump: true },
  })
  if (!answer) {
    throw new PluginError({ kind: 'device', message: `the PF ${pfName} is gone` })
  }
  return linkOf(answer.payload)
}

/** What has gone through an interface; undefined when there is none of that name. @throws PluginError kind `kernel` */
export async function countersOf(rtnl: Rtnl, name: string): Promise<Counters | undefined> {
  const payload = header(0, [textAttribute(IFLA_IFNAME, name)])
  const answer = await rtnl.find({ operation: 'read the counters', target: name, type: RTM_GETLINK, payload })
  return answer && linkCountersIn(answer.payload)
}

/** All interfaces of the namespace. @throws PluginError kind `kernel` */
export async function allLinks(rtnl: Rtnl): Promise<Link[]> {
  const messages = await rtnl.dump({
    operation: 'list the interfaces',
    target: rtnl.netnsPath,
    type: RTM_GETLINK,
    payload: header(0, [u32Attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)]),
  })
  return messages.map(({ payload }) => linkOf(payload))
}

/**
 * Changes an interface in place, or moves it. See linkChangeMessage() for the order.
 * @throws PluginError kind `kernel`
 */
export async function changeLink(rtnl: Rtnl, index: number, change: LinkChange, blame: Blame): Promise<void> {
  await rtnl.change({
    ...blame,
    type: RTM_NEWLINK,
    payload: encodeLinkMessage(linkChangeMessage(index, change)),
    ...(change.netnsFd !== undefined && { trace: { isMove: true } }),
  })
}

/** Changes the settings that a PF holds for one of its VFs, all in one message. @throws PluginError kind `kernel` */
export async function changeVf(
  rtnl: Rtnl,
  pfIndex: number,
  vfIndex: number,
  change: VfChange,
  blame: Blame,
): Promise<void> {
  await rtnl.change({
    ...blame,
    type: RTM_SETLINK,
    payload: header(pfIndex, [vfChangeAttribute(vfIndex, change)]),
  })
}

async function changeAltNames(
  rtnl: Rtnl,
  index: number,
  names: readonly string[],
  request: Blame & { type: number },
): Promise<void> {
  if (names.length > 0) {
    const properties = names.map((name) => textAttribute(IFLA_ALT_IFNAME, name))
    await rtnl.change({ ...request, payload: header(index, [nestedAttribute(IFLA_PROP_LIST, properties)]) })
  }
}

/** Gives an interface alternative names. @throws PluginError kind `kernel`, EEXIST when one is taken */
export const addAltNames = (rtnl: Rtnl, index: number, names: readonly string[], target: string): Promise<void> =>
  changeAltNames(rtnl, index, names, {
    operation: `add the alternative names ${names.join(', ')}`,
    target,
    type: RTM_NEWLINKPROP,
  })

/** Removes alternative names of an interface. @throws PluginError kind `kernel` */
export const removeAltNames = (rtnl: Rtnl, index: number, names: readonly string[], target: string): Promise<void> =>
  changeAltNames(rtnl, index, names, {
    operation: `remove the alternative names ${names.join(', ')}`,
    target,
    type: RTM_DELLINKPROP,
  })

/** The interface with that name. @throws PluginError kind `device` when there is none */
export async function requireLink(rtnl: Rtnl, name: string): Promise<Link> {
  const link = await linkByName(rtnl, name)
  if (!link) {
    throw new PluginError({ kind: 'device', message: `there is no interface ${name} in ${rtnl.netnsPath}` })
  }
  return link
}
