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

/** One netlink message: the header fields of struct nlmsghdr, and the bytes behind the header. */
export interface NetlinkMessage {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly portId: number
  readonly payload: Buffer
}

/**
 * Requests that call a driver: moves, up and down, MACs, VF settings. The kernel handles addresses and routes itself.
 */
const FOR_DRIVERS: ReadonlySet<number> = new Set([RTM_NEWLINK, RTM_SETLINK])

/** Whether a datagram of rtnetlink requests may take milliseconds, and with some cards seconds. */
export function mayTakeLong(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += align4(bytes.readUInt32LE(at))) {
    if (FOR_DRIVERS.has(bytes.readUInt16LE(at + 4))) {
      return true
    }
  }
  return false
}

/** The content of an NLMSG_ERROR message. `errno` is 0 for success, otherwise positive. */
export interface Acknowledgement {
  readonly errno: number
  /** The error text of the driver or the kernel (NETLINK_EXT_ACK). */
  readonly text?: string
  /** Offset of the refused attribute in the request, in bytes. */
  readonly offset?: number
}

/** Writes messages into one datagram. The kernel processes them in order. */
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
 * Splits a datagram into its messages.
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
 * Reads an NLMSG_ERROR message: the errno and the extended acknowledgement (netlink(7), NETLINK_EXT_ACK).
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
