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

/** That of a VF which a driver of user space has. */
export const NO_NETDEV: OriginalNetdev = {
  name: '',
  isUp: false,
  isPromisc: false,
  isAllmulti: false,
}

/**
 * The MAC that the PF can be told on release without a trial: none when it had none; of a trusted VF, which may set its
 * own whatever the PF administers, the one it showed.
 */
export const knownReleaseMac = (wanted: WantedVf, original: VfSettings): { releaseAdminMac?: string } =>
  wanted.mac !== undefined && (original.mac === ZERO_MAC || original.trust) ? { releaseAdminMac: original.mac } : {}
