import type { WantedVf } from '../cni/wanted.js'
import type { Link } from '../netlink/link.js'
import { ZERO_MAC } from '../netlink/mac.js'
import type { VfSettings } from '../netlink/vf-info.js'
import type { OriginalNetdev } from '../state/record.js'

/** What of an interface is given back on release. */
export const originalNetdev = ({ name, mac, mtu, isUp, isPromisc, isAllmulti, altNames }: Link): OriginalNetdev => ({
  name,
  mac,
  mtu,
  isUp,
  isPromisc,
  isAllmulti,
  altNames,
})

/** A MAC that the PF can be told on release without asking further: it had none. */
export const knownReleaseMac = (wanted: WantedVf, original: VfSettings): { releaseAdminMac?: string } =>
  wanted.mac !== undefined && original.mac === ZERO_MAC ? { releaseAdminMac: ZERO_MAC } : {}
