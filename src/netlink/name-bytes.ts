/**
 * Interface names as text. To the kernel they are bytes (dev_valid_name() of net/core/dev.c refuses only "/", ":" and white
 * space), and a pod may give its interface a name that is no UTF-8. Each byte above 127 of such a name stands as the
 * character U+F700 + byte, of Unicode's private use area. A name that has such characters itself is written like that,
 * too: no two names have one text.
 */
import { isUtf8 } from 'node:buffer'

const BASE = 0xf700
const STANDS_FOR_BYTE = /[\uf780-\uf7ff]/
const BEYOND_ASCII = /[\u0080-\uffff]/

export function textOfName(bytes: Buffer): string {
  const text = bytes.toString()
  return isUtf8(bytes) && !STANDS_FOR_BYTE.test(text)
    ? text
    : bytes.toString('latin1').replaceAll(/[\u0080-\u00ff]/g, (char) => String.fromCharCode(BASE + char.charCodeAt(0)))
}

/** The inverse of textOfName(). */
export const bytesOfName = (text: string): Buffer => Buffer.from(octetsOfName(text), 'latin1')

/** UTF-8 as a text with a character for each byte. */
export const octetsOf = (text: string): string =>
  BEYOND_ASCII.test(text) ? Buffer.from(text).toString('latin1') : text

/** The inverse of octetsOf(). */
export const textOfOctets = (octets: string): string =>
  BEYOND_ASCII.test(octets) ? Buffer.from(octets, 'latin1').toString() : octets

/** The bytes of a name, or of a path with names in it, as a text with a character for each. */
export function octetsOfName(text: string): string {
  if (!BEYOND_ASCII.test(text)) {
    return text
  }
  return [...text]
    .map((char) => (STANDS_FOR_BYTE.test(char) ? String.fromCharCode(char.charCodeAt(0) - BASE) : octetsOf(char)))
    .join('')
}

/** The inverse of octetsOfName(). */
export const nameOfOctets = (octets: string): string =>
  BEYOND_ASCII.test(octets) ? textOfName(Buffer.from(octets, 'latin1')) : octets
