import {
  type Attribute,
  atLeast,
  decodeAttributes,
  encodeAttributes,
  nestedAttribute,
  u32Attribute,
} from './attribute.js'
import {
  AF_INET,
  AF_INET6,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RT_TABLE_UNSPEC,
  RTA_DST,
  RTA_GATEWAY,
  RTA_METRICS,
  RTA_OIF,
  RTA_PRIORITY,
  RTA_TABLE,
  RTAX_ADVMSS,
  RTAX_MTU,
  RTN_UNICAST,
  RTPROT_BOOT,
} from './constants.js'

const HEADER_BYTES = 12

/** struct rtmsg and its attributes, uninterpreted. */
export interface RouteMessage {
  readonly family: number
  readonly prefixLength: number
  readonly table: number
  readonly protocol: number
  readonly scope: number
  readonly routeType: number
  readonly attributes: readonly Attribute[]
}

/** A route through an interface. `mtu` and `advmss` are in bytes; `scope` is as in rtnetlink(7). */
export interface Route {
  readonly destination: Buffer
  readonly prefixLength: number
  readonly gateway?: Buffer
  readonly interfaceIndex: number
  readonly mtu?: number
  readonly advmss?: number
  readonly priority?: number
  readonly table?: number
  readonly scope?: number
}

export function encodeRouteMessage(message: RouteMessage): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt8(message.family, 0)
  header.writeUInt8(message.prefixLength, 1)
  header.writeUInt8(message.table, 4)
  header.writeUInt8(message.protocol, 5)
  header.writeUInt8(message.scope, 6)
  header.writeUInt8(message.routeType, 7)
  return Buffer.concat([header, encodeAttributes(message.attributes)])
}

/** @throws PluginError kind `wire` when the bytes are malformed. */
export function decodeRouteMessage(payload: Buffer): RouteMessage {
  atLeast(payload, HEADER_BYTES, 'route message')
  return {
    family: payload.readUInt8(0),
    prefixLength: payload.readUInt8(1),
    table: payload.readUInt8(4),
    protocol: payload.readUInt8(5),
    scope: payload.readUInt8(6),
    routeType: payload.readUInt8(7),
    attributes: decodeAttributes(payload.subarray(HEADER_BYTES)),
  }
}

/** The message that adds a route. An IPv4 route without a gateway has link scope, unless `scope` says otherwise. */
export function addRouteMessage(route: Route): RouteMessage {
  const { destination, gateway, mtu, advmss, priority, table = RT_TABLE_MAIN } = route
  const isIpv4 = destination.length === 4
  const metrics = [
    ...(mtu === undefined ? [] : [u32Attribute(RTAX_MTU, mtu)]),
    ...(advmss === undefined ? [] : [u32Attribute(RTAX_ADVMSS, advmss)]),
  ]
  return {
    family: isIpv4 ? AF_INET : AF_INET6,
    prefixLength: route.prefixLength,
    table: table > 0xff ? RT_TABLE_UNSPEC : table,
    protocol: RTPROT_BOOT,
    scope: route.scope ?? (isIpv4 && !gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE),
    routeType: RTN_UNICAST,
    attributes: [
      ...(route.prefixLength === 0 ? [] : [{ type: RTA_DST, payload: destination }]),
      ...(gateway ? [{ type: RTA_GATEWAY, payload: gateway }] : []),
      u32Attribute(RTA_OIF, route.interfaceIndex),
      ...(priority === undefined ? [] : [u32Attribute(RTA_PRIORITY, priority)]),
      ...(table > 0xff ? [u32Attribute(RTA_TABLE, table)] : []),
      ...(metrics.length === 0 ? [] : [nestedAttribute(RTA_METRICS, metrics)]),
    ],
  }
}
