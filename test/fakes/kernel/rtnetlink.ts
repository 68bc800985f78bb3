import { decodeAddressMessage } from '../../../src/netlink/address.js'
import { decodeAttributes, payloadOf, textOf, u32Of } from '../../../src/netlink/attribute.js'
import * as nl from '../../../src/netlink/constants.js'
import { decodeLinkMessage, type LinkMessage } from '../../../src/netlink/link.js'
import type { NetlinkMessage } from '../../../src/netlink/message.js'
import { decodeRouteMessage } from '../../../src/netlink/route.js'
import type { FakeWorld } from '../machine/world.js'
import { addressBytes, answersTo, linkBytes } from './answers.js'
import { type FakeLink, type FakeNetns, findByName, Refused } from './links.js'
import { setLink } from './set-link.js'
import { setVfs } from './set-vf.js'

/** Where a request came in, and how its descriptors are to be read. */
export interface Conversation {
  readonly world: FakeWorld
  readonly netns: FakeNetns
  readonly netnsOf: (fd: number) => FakeNetns | undefined
}

function require<T>(value: T | undefined): T {
  if (value === undefined) {
    throw new Refused('ENODEV')
  }
  return value
}

function lookUp({ netns }: Conversation, { index, attributes }: LinkMessage): FakeLink {
  const name = textOf(attributes, nl.IFLA_IFNAME) ?? textOf(attributes, nl.IFLA_ALT_IFNAME)
  return require(index > 0 ? netns.links.find((link) => link.index === index) : findByName(netns, name ?? ''))
}

function changeAltNames(conversation: Conversation, message: LinkMessage, isAddition: boolean): void {
  const link = lookUp(conversation, message)
  for (const { payload } of decodeAttributes(payloadOf(message.attributes, nl.IFLA_PROP_LIST) ?? Buffer.alloc(0))) {
    const name = payload.toString('utf8', 0, payload.length - 1)
    const holder = findByName(conversation.netns, name)
    if (!isAddition && (!holder || !link.altNames.includes(name))) {
      throw new Refused('ENOENT')
    }
    if (!isAddition && (holder !== link || link.name === name)) {
      throw new Refused('EINVAL')
    }
    if (isAddition && holder) {
      throw new Refused('EEXIST')
    }
    const { altNames } = conversation.netns
    if (isAddition) {
      altNames?.set(name, link)
    } else {
      altNames?.delete(name)
    }
    link.altNames = isAddition ? [...link.altNames, name] : link.altNames.filter((one) => one !== name)
  }
}

function addAddress({ netns }: Conversation, payload: Buffer): void {
  const { family, prefixLength, flags, interfaceIndex, attributes } = decodeAddressMessage(payload)
  const link = require(netns.links.find(({ index }) => index === interfaceIndex))
  const bytes = payloadOf(attributes, nl.IFA_LOCAL) ?? payloadOf(attributes, nl.IFA_ADDRESS) ?? Buffer.alloc(0)
  const cidrKey = `${bytes.toString('hex')}/${prefixLength}`
  if (link.addresses.some((address) => address.cidrKey === cidrKey)) {
    throw new Refused('EEXIST')
  }
  link.addresses.push({ cidrKey, family, bytes, prefixLength, flags: u32Of(attributes, nl.IFA_FLAGS) ?? flags })
}

function addRoute({ netns }: Conversation, payload: Buffer): void {
  const { family, prefixLength, table, attributes } = decodeRouteMessage(payload)
  const link = require(netns.links.find(({ index }) => index === u32Of(attributes, nl.RTA_OIF)))
  const destination = payloadOf(attributes, nl.RTA_DST)?.toString('hex') ?? 'default'
  const priority = u32Of(attributes, nl.RTA_PRIORITY) ?? 0
  const key = `${destination}/${prefixLength} family ${family} table ${u32Of(attributes, nl.RTA_TABLE) ?? table} priority ${priority}`
  if (!link.isUp) {
    throw new Refused('ENETDOWN')
  }
  if (netns.links.some(({ routes }) => routes.some((route) => route.key === key))) {
    throw new Refused('EEXIST')
  }
  link.routes.push({ key, hasGateway: payloadOf(attributes, nl.RTA_GATEWAY) !== undefined, payload })
}

/** RTEXT_FILTER_VF: the expensive part of RTM_GETLINK. */
const asksForVfs = ({ attributes }: LinkMessage): boolean =>
  ((u32Of(attributes, nl.IFLA_EXT_MASK) ?? 0) & nl.RTEXT_FILTER_VF) !== 0

/** Carries out one request; returns the payloads of its answer. */
function carryOut(conversation: Conversation, { type, flags, payload }: NetlinkMessage): Buffer[] {
  const { world, netns, netnsOf } = conversation
  const isDump = (flags & nl.NLM_F_DUMP) === nl.NLM_F_DUMP
  switch (type) {
    case nl.RTM_GETLINK: {
      const message = decodeLinkMessage(payload)
      const links = isDump ? netns.links : [lookUp(conversation, message)]
      const card = (link: FakeLink) => (asksForVfs(message) ? world.cardOf(link.parentDevice) : undefined)
      return links.map((link) => linkBytes(link, card(link), world.showsDevices))
    }
    case nl.RTM_NEWLINK:
      setLink(world, netns, decodeLinkMessage(payload), netnsOf)
      return []
    case nl.RTM_SETLINK: {
      const message = decodeLinkMessage(payload)
      setVfs(world, world.cardOf(lookUp(conversation, message).parentDevice), message.attributes)
      return []
    }
    case nl.RTM_NEWLINKPROP:
    case nl.RTM_DELLINKPROP:
      changeAltNames(conversation, decodeLinkMessage(payload), type === nl.RTM_NEWLINKPROP)
      return []
    case nl.RTM_GETADDR:
      return netns.links.flatMap(({ index, addresses }) => addresses.map((address) => addressBytes(index, address)))
    case nl.RTM_NEWADDR:
      addAddress(conversation, payload)
      return []
    case nl.RTM_GETROUTE: {
      const { family } = decodeRouteMessage(payload)
      const routes = netns.links.flatMap((link) => link.routes.map((route) => route.payload))
      return routes.filter((route) => decodeRouteMessage(route).family === family)
    }
    case nl.RTM_NEWROUTE:
      addRoute(conversation, payload)
      return []
    default:
      throw new Refused('EOPNOTSUPP')
  }
}

const ANSWER_TYPES: Readonly<Record<number, number>> = {
  [nl.RTM_GETLINK]: nl.RTM_NEWLINK,
  [nl.RTM_GETADDR]: nl.RTM_NEWADDR,
  [nl.RTM_GETROUTE]: nl.RTM_NEWROUTE,
}

/** The messages with which the kernel answers one request. */
export const answer = (conversation: Conversation, request: NetlinkMessage): NetlinkMessage[] =>
  answersTo(request, ANSWER_TYPES[request.type], () => carryOut(conversation, request))
