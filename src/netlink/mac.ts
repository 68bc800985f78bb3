const MAC_BYTES = 6
const FORM = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i

export const ZERO_MAC = '00:00:00:00:00:00'

/** Six bytes as `aa:bb:cc:dd:ee:ff`, lower case. */
export const formatMac = (bytes: Buffer): string => bytes.toString('hex', 0, MAC_BYTES).match(/../g)?.join(':') ?? ''

/** A MAC with `:` or `-` as its six bytes; undefined when it is none. */
export function parseMac(text: string): Buffer | undefined {
  return FORM.test(text) ? Buffer.from(text.replace(/[:-]/g, ''), 'hex') : undefined
}

/** Whether six bytes may be the address of one interface: not multicast, not all zero. */
export const isUnicastMac = (bytes: Buffer): boolean => ((bytes[0] ?? 1) & 1) === 0 && bytes.some((byte) => byte !== 0)
