const MAC_BYTES = 6
const FORM = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i
const ANY_LENGTH = /^[0-9a-f]{2}([:-][0-9a-f]{2})*$/i

export const ZERO_MAC = '00:00:00:00:00:00'

/**
 * A hardware address of any length as `aa:bb:…`, lower case. Ethernet has 6 bytes. IP over InfiniBand has 20: flags and
 * queue pair number, subnet prefix, and the GUID of the port (RFC 4391 section 9.1.1).
 */
export const formatHardwareAddress = (bytes: Buffer): string => bytes.toString('hex').match(/../g)?.join(':') ?? ''

/** The bytes of a hardware address of any length, written with `:` or `-`; undefined when malformed. */
export const parseHardwareAddress = (text: string): Buffer | undefined =>
  ANY_LENGTH.test(text) ? Buffer.from(text.replace(/[:-]/g, ''), 'hex') : undefined

/** Six bytes as `aa:bb:cc:dd:ee:ff`, lower case. */
export const formatMac = (bytes: Buffer): string => formatHardwareAddress(bytes.subarray(0, MAC_BYTES))

/** The six bytes of a MAC, written with `:` or `-`; undefined when malformed. */
export function parseMac(text: string): Buffer | undefined {
  return FORM.test(text) ? Buffer.from(text.replace(/[:-]/g, ''), 'hex') : undefined
}

/** Whether a hardware address is an Ethernet MAC. */
export const isMac = (address: string): boolean => parseMac(address) !== undefined

/** Whether six bytes may be the address of one interface: neither multicast nor all zero. */
export const isUnicastMac = (bytes: Buffer): boolean => ((bytes[0] ?? 1) & 1) === 0 && bytes.some((byte) => byte !== 0)

/** Length of a port GUID as text. An address of IP over InfiniBand ends with it. */
const GUID_LENGTH = 'aa:bb:cc:dd:ee:ff:00:11'.length

/**
 * Whether two addresses belong to one interface. Every reset changes an address of IP over InfiniBand, except its GUID.
 */
export const isSameAddress = (left: string, right: string): boolean =>
  left === right || (left.length > GUID_LENGTH && left.slice(-GUID_LENGTH) === right.slice(-GUID_LENGTH))
