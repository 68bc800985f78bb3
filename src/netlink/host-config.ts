/** Addresses and routes that the host has given an interface, as the kernel reports them: read, kept, and set again. */
import { addressOf, decodeAddressMessage, encodeAddressMessage } from './address.js'
import { type Attribute, payloadOf, u32Attribute, u32Of } from './attribute.js'
import {
  AF_INET,
  AF_INET6,
  IFA_CACHEINFO,
  IFA_F_PERMANENT,
  IFA_FLAGS,
  NLA_TYPE_MASK,
  RT_SCOPE_LINK,
  RT_TABLE_LOCAL,
  RTA_CACHEINFO,
  RTA_DST,
  RTA_GATEWAY,
  RTA_MULTIPATH,
  RTA_OIF,
  RTA_TABLE,
  RTN_UNICAST,
  RTPROT_KERNEL,
  RTPROT_RA,
} from './constants.js'
import { formatIp, isLinkLocal, isMulticast6 } from './ip.js'
import { decodeRouteMessage, encodeRouteMessage, type RouteMessage } from './route.js'

/** Flags of an address that are set, not found out by the kernel: NODAD, HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE. */
const SETTABLE_FLAGS = 0x02 | 0x10 | 0x100 | 0x200

const typeOf = ({ type }: Attribute): number => type & NLA_TYPE_MASK

/** An address of an interface that its host uses, as text; undefined for a link-local one, which every interface has. */
export function hostAddressText(payload: Buffer): string | undefined {
  const message = decodeAddressMessage(payload)
  const address = addressOf(message)
  return !address || message.scope === RT_SCOPE_LINK || isLinkLocal(address.bytes)
    ? undefined
    : `${formatIp(address.bytes)}/${address.prefixLength}`
}

/** The indexes of the next hops of a route with several (struct rtnexthop). */
function nextHopIndexes(multipath: Buffer): number[] {
  const indexes: number[] = []
  for (let at = 0; at + 8 <= multipath.length; ) {
    const length = multipath.readUInt16LE(at)
    indexes.push(multipath.readInt32LE(at + 4))
    at += Math.max(8, (length + 3) & ~3)
  }
  return indexes
}

const isThrough = ({ attributes }: RouteMessage, interfaceIndex: number): boolean =>
  u32Of(attributes, RTA_OIF) === interfaceIndex ||
  nextHopIndexes(payloadOf(attributes, RTA_MULTIPATH) ?? Buffer.alloc(0)).includes(interfaceIndex)

/**
 * A route through an interface that its host uses, as text; undefined for any other, and for those that every interface
 * has: link-local, multicast, and in the kernel's own table.
 */
export function hostRouteText(payload: Buffer, interfaceIndex: number): string | undefined {
  const message = decodeRouteMessage(payload)
  const { family, attributes, prefixLength, table, routeType } = message
  const destination = payloadOf(attributes, RTA_DST)
  const isOurs =
    (family === AF_INET || family === AF_INET6) &&
    routeType === RTN_UNICAST &&
    (u32Of(attributes, RTA_TABLE) ?? table) !== RT_TABLE_LOCAL &&
    isThrough(message, interfaceIndex)
  if (!isOurs || (destination && (isLinkLocal(destination) || isMulticast6(destination)))) {
    return undefined
  }
  const gateway = payloadOf(attributes, RTA_GATEWAY)
  const to = destination ? `${formatIp(destination)}/${prefixLength}` : 'default'
  return gateway ? `${to} via ${formatIp(gateway)}` : to
}

/** Whether a route comes back by itself: with its address, or with the next advertisement of its router. */
export const comesBack = (payload: Buffer): boolean =>
  [RTPROT_KERNEL, RTPROT_RA].includes(decodeRouteMessage(payload).protocol)

/** The message that sets a reported address again, on an interface that may have another index by now. */
export function setAddressAgain(payload: Buffer, interfaceIndex: number): Buffer {
  const message = decodeAddressMessage(payload)
  const flags = u32Of(message.attributes, IFA_FLAGS) ?? message.flags
  const isPermanent = (flags & IFA_F_PERMANENT) !== 0
  return encodeAddressMessage({
    ...message,
    flags: flags & SETTABLE_FLAGS & 0xff,
    interfaceIndex,
    attributes: [
      // The lifetimes of an address that has them are kept as they were when they were read.
      ...message.attributes.filter(
        (one) => typeOf(one) !== IFA_FLAGS && !(isPermanent && typeOf(one) === IFA_CACHEINFO),
      ),
      u32Attribute(IFA_FLAGS, flags & SETTABLE_FLAGS),
    ],
  })
}

/** The message that sets a reported route again, through an interface that may have another index by now. */
export function setRouteAgain(payload: Buffer, interfaceIndex: number): Buffer {
  const message = decodeRouteMessage(payload)
  return encodeRouteMessage({
    ...message,
    attributes: message.attributes
      .filter((one) => typeOf(one) !== RTA_CACHEINFO)
      .map((one) => (typeOf(one) === RTA_OIF ? u32Attribute(RTA_OIF, interfaceIndex) : one)),
  })
}
