/** How the names in a path go to the addon, and come from it. */
import { nameOfOctets, octetsOf, octetsOfName, textOfOctets } from '../../netlink/name-bytes.js'
import type { Octets } from '../addon.js'

interface NameCodec {
  encode(path: string): Octets
  decode(name: Octets): string
}

const UTF8: NameCodec = { encode: octetsOf, decode: textOfOctets }
const OF_INTERFACES: NameCodec = { encode: octetsOfName, decode: nameOfOctets }

/** Below /sys stand names of interfaces, which may be no UTF-8. Everywhere else a text means its UTF-8. */
export const codecFor = (path: string): NameCodec => (path.startsWith('/sys/') ? OF_INTERFACES : UTF8)
