import { PluginError } from '../errors.js'
import { align4, atLeast, cString, decodeAttributes, payloadOf } from './attribute.js'
import {
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
  RTM_NEWLINK,
  RTM_SETLINK,
} from './constants.js'

export const MESSAGE_HEADER_BYTES = 16

/** One netlink message: header fields of struct nlmsghdr, and what follows it. */
export interface NetlinkMessage {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly portId: number
  readonly payload: Buffer
}

/** Requests for which drivers work: moves, up and down, MACs, the settings of VFs. Addresses and routes are the kernel's own. */
const FOR_DRIVERS: ReadonlySet<number> = new Set([RTM_NEWLINK, RTM_SETLINK])

/** Whether a datagram of rtnetlink requests has one that may take its time: milliseconds, and with some cards seconds. */
export function mayTakeLong(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += align4(bytes.readUInt32LE(at))) {
    if (FOR_DRIVERS.has(bytes.readUInt16LE(at + 4))) {
      return true
    }
  }
  return false
}

/** What an NLMSG_ERROR message says. `errno` 0 is success; otherwise positive. */
export interface Acknowledgement {
  readonly errno: number
  /** The driver's or the kernel's own words (NETLINK_EXT_ACK). */
  readonly text?: string
  /** Offset in the request of the attribute that was refused, in bytes. */
  readonly offset?: number
}

/** Writes messages into one datagram; the kernel works through them in order. */
export function encodeMessages(messages: readonly NetlinkMessage[]): Buffer {
  return Buffer.concat(
    messages.map(({ type, flags, sequence, portId, payload }) => {
      const bytes = Buffer.alloc(align4(MESSAGE_HEADER_BYTES + payload.length))
      bytes.writeUInt32LE(MESSAGE_HEADER_BYTES + payload.length, 0)
      bytes.writeUInt16LE(type, 4)
      bytes.writeUInt16LE(flags, 6)
      bytes.writeUInt32LE(sequence, 8)
      bytes.writeUInt32LE(portId, 12)
      payload.copy(bytes, MESSAGE_HEADER_BYTES)
      return bytes
    }),
  )
}

/**
 * Takes a datagram apart.
 * @throws PluginError kind `wire` when a length does not fit.
 */
export function decodeMessages(bytes: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  let offset = 0
  while (offset < bytes.length) {
    const rest = bytes.length - offset
    const length = rest >= MESSAGE_HEADER_BYTES ? bytes.readUInt32LE(offset) : 0
    if (length < MESSAGE_HEADER_BYTES || length > rest) {
      throw new PluginError({
        kind: 'wire',
        problem: `message of ${length} bytes at offset ${offset} of ${bytes.length}`,
      })
    }
    messages.push({
      type: bytes.readUInt16LE(offset + 4),
      flags: bytes.readUInt16LE(offset + 6),
      sequence: bytes.readUInt32LE(offset + 8),
      portId: bytes.readUInt32LE(offset + 12),
      payload: bytes.subarray(offset + MESSAGE_HEADER_BYTES, offset + length),
    })
    offset += align4(length)
  }
  return messages
}

/**
 * Reads an NLMSG_ERROR message: the errno, and the extended acknowledgement behind it (netlink(7), NETLINK_EXT_ACK).
 * @throws PluginError kind `wire` when it is malformed.
 */
export function decodeAcknowledgement({ flags, payload }: NetlinkMessage): Acknowledgement {
  const errno = 0 - atLeast(payload, 4, 'acknowledgement').readInt32LE(0)
  if (!(flags & NLM_F_ACK_TLVS)) {
    return { errno }
  }
  atLeast(payload, 4 + MESSAGE_HEADER_BYTES, 'acknowledgement')
  const requestBytes = flags & NLM_F_CAPPED ? MESSAGE_HEADER_BYTES : payload.readUInt32LE(4)
  const attributes = decodeAttributes(payload.subarray(4 + align4(requestBytes)))
  const text = payloadOf(attributes, NLMSGERR_ATTR_MSG)
  const offset = payloadOf(attributes, NLMSGERR_ATTR_OFFS)
  return {
    errno,
    ...(text && { text: cString(text) }),
    ...(offset && { offset: atLeast(offset, 4, 'error offset').readUInt32LE(0) }),
  }
}
