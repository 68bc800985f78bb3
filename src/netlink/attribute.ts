import { PluginError } from '../errors.js'
import { NLA_F_NESTED, NLA_TYPE_MASK } from './constants.js'
import { bytesOfName, textOfName } from './name-bytes.js'

const HEADER_BYTES = 4

/** One netlink attribute. `type` keeps its flag bits, so that unknown ones survive a round trip. */
export interface Attribute {
  readonly type: number
  readonly payload: Buffer
}

/** Rounds a length up to the 4-byte boundary of netlink (NLA_ALIGN, netlink(7)). */
export const align4 = (length: number): number => (length + 3) & ~3

/** Writes attributes one after another, each padded to 4 bytes (netlink(7)). */
export function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  const total = attributes.reduce((sum, { payload }) => sum + align4(HEADER_BYTES + payload.length), 0)
  const bytes = Buffer.alloc(total)
  let offset = 0
  for (const { type, payload } of attributes) {
    bytes.writeUInt16LE(HEADER_BYTES + payload.length, offset)
    bytes.writeUInt16LE(type, offset + 2)
    payload.copy(bytes, offset + HEADER_BYTES)
    offset += align4(HEADER_BYTES + payload.length)
  }
  return bytes
}

/** The real end of an attribute whose 16-bit length may have overflowed; undefined for any other attribute. */
export type RealEnd = (type: number, start: number) => number | undefined

/** readUInt16LE() without its checks, which cost more than the rest of a walk. */
const u16At = (bytes: Buffer, offset: number): number => (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8)

/**
 * Walks over attributes from an offset to the end of the bytes. Passes the type with its flag bits, and the start and
 * end of the payload.
 * @throws PluginError kind `wire` when a length does not fit.
 */
export function visitAttributes(
  bytes: Buffer,
  from: number,
  visit: (type: number, start: number, end: number) => void,
  realEnd?: RealEnd,
): void {
  let offset = from
  while (bytes.length - offset >= HEADER_BYTES) {
    const type = u16At(bytes, offset + 2)
    const start = offset + HEADER_BYTES
    const end = realEnd?.(type, start) ?? offset + u16At(bytes, offset)
    if (end < start || end > bytes.length) {
      throw new PluginError({
        kind: 'wire',
        problem: `attribute of ${end - offset} bytes at offset ${offset} of ${bytes.length}`,
      })
    }
    visit(type, start, end)
    offset = from + align4(end - from)
  }
  if (offset < bytes.length) {
    throw new PluginError({ kind: 'wire', problem: `${bytes.length - offset} bytes behind the last attribute` })
  }
}

/** Reads attributes, known and unknown ones, in their order. @throws PluginError kind `wire` */
export function decodeAttributes(bytes: Buffer): Attribute[] {
  const attributes: Attribute[] = []
  visitAttributes(bytes, 0, (type, start, end) => attributes.push({ type, payload: bytes.subarray(start, end) }))
  return attributes
}

/** The first attribute of a type, ignoring flag bits. */
export const findAttribute = (attributes: readonly Attribute[], type: number): Attribute | undefined =>
  attributes.find((attribute) => (attribute.type & NLA_TYPE_MASK) === type)

/** The payload of the first attribute of a type; undefined when absent. */
export const payloadOf = (attributes: readonly Attribute[], type: number): Buffer | undefined =>
  findAttribute(attributes, type)?.payload

/**
 * The 32-bit number in an attribute; undefined when the attribute is absent.
 * @throws PluginError kind `wire` when it is shorter than that.
 */
export function u32Of(attributes: readonly Attribute[], type: number): number | undefined {
  const payload = payloadOf(attributes, type)
  return payload && atLeast(payload, 4, `attribute ${type}`).readUInt32LE(0)
}

/** The text in an attribute, without its closing NUL; undefined when the attribute is absent. */
export const textOf = (attributes: readonly Attribute[], type: number): string | undefined => {
  const payload = payloadOf(attributes, type)
  return payload && cString(payload)
}

/** Reads text up to the first NUL; names that are no UTF-8 as in name-bytes.ts. */
export function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return textOfName(end < 0 ? bytes : bytes.subarray(0, end))
}

/**
 * Returns the bytes if there are at least `length`. The kernel may send more than the plugin knows.
 * @throws PluginError kind `wire` otherwise.
 */
export function atLeast(bytes: Buffer, length: number, what: string): Buffer {
  if (bytes.length < length) {
    throw new PluginError({ kind: 'wire', problem: `${what} has ${bytes.length} bytes, not ${length}` })
  }
  return bytes
}

export const u32Attribute = (type: number, value: number): Attribute => {
  const payload = Buffer.alloc(4)
  payload.writeUInt32LE(value, 0)
  return { type, payload }
}

export const textAttribute = (type: number, text: string): Attribute => ({
  type,
  payload: bytesOfName(`${text}\0`),
})

/** An attribute that holds attributes. Sets NLA_F_NESTED, like iproute2. */
export const nestedAttribute = (type: number, attributes: readonly Attribute[]): Attribute => ({
  type: type | NLA_F_NESTED,
  payload: encodeAttributes(attributes),
})
