import { PluginError } from '../errors.js'

/** An address with its prefix length: `10.1.0.5/24`, `2001:db8::5/64`. The host bits are kept. */
export interface Cidr {
  readonly bytes: Buffer
  readonly prefixLength: number
}

function ipv4Bytes(text: string): Buffer | undefined {
  const parts = text.split('.')
  const numbers = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256))
  return parts.length === 4 && numbers.every((number) => number < 256) ? Buffer.from(numbers) : undefined
}

/** The 16-bit groups on one side of a `::`. At the end of the address (`isEnd`) an IPv4 tail counts as two groups. */
function groupsOf(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') {
    return []
  }
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    const ipv4 = isEnd && i === parts.length - 1 && part.includes('.') ? ipv4Bytes(part) : undefined
    if (ipv4) {
      groups.push(ipv4.readUInt16BE(0), ipv4.readUInt16BE(2))
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else {
      return undefined
    }
  }
  return groups
}

function ipv6Bytes(text: string): Buffer | undefined {
  const sides = text.split('::')
  const head = groupsOf(sides[0] ?? '', sides.length === 1)
  const tail = sides.length === 2 ? groupsOf(sides[1] ?? '', true) : []
  if (sides.length > 2 || !head || !tail) {
    return undefined
  }
  const missing = 8 - head.length - tail.length
  if (sides.length === 2 ? missing < 1 : missing !== 0) {
    return undefined
  }
  const bytes = Buffer.alloc(16)
  for (const [i, group] of [...head, ...new Array<number>(missing).fill(0), ...tail].entries()) {
    bytes.writeUInt16BE(group, i * 2)
  }
  return bytes
}

/** The 4 or 16 bytes of an address; undefined when malformed. An IPv4-mapped address counts as IPv4, as in Go. */
export function tryParseIp(text: string): Buffer | undefined {
  const bytes = text.includes(':') ? ipv6Bytes(text) : ipv4Bytes(text)
  const isMapped =
    bytes?.length === 16 && bytes.readUInt16BE(10) === 0xffff && bytes.subarray(0, 10).every((byte) => byte === 0)
  return isMapped ? bytes.subarray(12) : bytes
}

/** @throws PluginError kind `address` when the text is no address. */
export function parseIp(text: string): Buffer {
  const bytes = tryParseIp(text)
  if (!bytes) {
    throw new PluginError({ kind: 'address', text })
  }
  return bytes
}

/** An address with prefix length; undefined when malformed. */
export function tryParseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  const bytes = tryParseIp(text.slice(0, slash))
  const digits = text.slice(slash + 1)
  const prefixLength = /^\d{1,3}$/.test(digits) ? Number(digits) : Number.NaN
  return slash > 0 && bytes && prefixLength <= bytes.length * 8 ? { bytes, prefixLength } : undefined
}

/** @throws PluginError kind `address` when the text is no address with a prefix length. */
export function parseCidr(text: string): Cidr {
  const cidr = tryParseCidr(text)
  if (!cidr) {
    throw new PluginError({ kind: 'address', text })
  }
  return cidr
}

/** Whether an address is valid on its link only: 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291). */
export const isLinkLocal = (bytes: Buffer): boolean =>
  bytes.length === 4
    ? bytes.readUInt16BE(0) === 0xa9fe
    : bytes.length === 16 && (bytes.readUInt16BE(0) & 0xffc0) === 0xfe80

/** Whether an IPv6 address is a multicast one (ff00::/8). */
export const isMulticast6 = (bytes: Buffer): boolean => bytes.length === 16 && bytes[0] === 0xff

/** An address as text. IPv6 in its full form with eight groups. */
export const formatIp = (bytes: Buffer): string =>
  bytes.length === 4
    ? bytes.join('.')
    : Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':')

/** The network of an address: its bytes with the host bits cleared. */
export function networkOf({ bytes, prefixLength }: Cidr): Buffer {
  return Buffer.from(
    bytes.map((byte, i) => byte & (0xff << (8 - Math.min(8, Math.max(0, prefixLength - i * 8)))) & 0xff),
  )
}
