import {
  type Attribute,
  atLeast,
  decodeAttributes,
  encodeAttributes,
  payloadOf,
  u32Attribute,
  u32Of,
} from './attribute.js'
import { AF_INET, AF_INET6, IFA_ADDRESS, IFA_BROADCAST, IFA_FLAGS, IFA_LOCAL } from './constants.js'
import { parseIp } from './ip.js'

const HEADER_BYTES = 8

/** An address of an interface: bytes in network order, prefix length in bits, IFA_F_* flags. */
export interface Address {
  readonly interfaceIndex: number
  readonly bytes: Buffer
  readonly prefixLength: number
  readonly flags: number
}

/** struct ifaddrmsg and its attributes, uninterpreted. */
export interface AddressMessage {
  readonly family: number
  readonly prefixLength: number
  readonly flags: number
  readonly scope: number
  readonly interfaceIndex: number
  readonly attributes: readonly Attribute[]
}

export function encodeAddressMessage(message: AddressMessage): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt8(message.family, 0)
  header.writeUInt8(message.prefixLength, 1)
  header.writeUInt8(message.flags & 0xff, 2)
  header.writeUInt8(message.scope, 3)
  header.writeUInt32LE(message.interfaceIndex, 4)
  return Buffer.concat([header, encodeAttributes(message.attributes)])
}

/** @throws PluginError kind `wire` when the bytes are malformed. */
export function decodeAddressMessage(payload: Buffer): AddressMessage {
  atLeast(payload, HEADER_BYTES, 'address message')
  return {
    family: payload.readUInt8(0),
    prefixLength: payload.readUInt8(1),
    flags: payload.readUInt8(2),
    scope: payload.readUInt8(3),
    interfaceIndex: payload.readUInt32LE(4),
    attributes: decodeAttributes(payload.subarray(HEADER_BYTES)),
  }
}

/** The address in an address message; undefined when it holds none. @throws PluginError kind `wire` */
export function addressOf(message: AddressMessage): Address | undefined {
  const bytes = payloadOf(message.attributes, IFA_LOCAL) ?? payloadOf(message.attributes, IFA_ADDRESS)
  return (
    bytes && {
      interfaceIndex: message.interfaceIndex,
      bytes,
      prefixLength: message.prefixLength,
      flags: u32Of(message.attributes, IFA_FLAGS) ?? message.flags,
    }
  )
}

/** The broadcast address of an IPv4 prefix, as `ip addr add … brd +` sets it; undefined for /31 and /32. */
function broadcastOf(bytes: Buffer, prefixLength: number): Buffer | undefined {
  if (bytes.length !== 4 || prefixLength > 30) {
    return undefined
  }
  const broadcast = Buffer.alloc(4)
  broadcast.writeUInt32BE((bytes.readUInt32BE(0) | (0xffffffff >>> prefixLength)) >>> 0, 0)
  return broadcast
}

/** The message that adds an address such as `10.1.0.5/24` to an interface. @throws PluginError kind `address` */
export function addAddressMessage(
  interfaceIndex: number,
  address: { ip: string; prefixLength: number; flags: number },
): AddressMessage {
  const bytes = parseIp(address.ip)
  const broadcast = broadcastOf(bytes, address.prefixLength)
  return {
    family: bytes.length === 4 ? AF_INET : AF_INET6,
    prefixLength: address.prefixLength,
    flags: address.flags,
    scope: 0,
    interfaceIndex,
    attributes: [
      { type: IFA_LOCAL, payload: bytes },
      { type: IFA_ADDRESS, payload: bytes },
      ...(broadcast ? [{ type: IFA_BROADCAST, payload: broadcast }] : []),
      u32Attribute(IFA_FLAGS, address.flags),
    ],
  }
}
