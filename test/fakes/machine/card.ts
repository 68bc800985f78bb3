import { ZERO_MAC } from '../../../src/netlink/mac.js'
import type { VfChange, VfInfo, VfSettings } from '../../../src/netlink/vf-info.js'
import { Refused } from '../kernel/links.js'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A VF as its PF's driver keeps it. `hasAdminMac`: the PF was told a MAC for it. */
export interface FakeVf {
  /** It takes no VLAN. */
  isBroken?: boolean
  readonly address: string
  readonly index: number
  driver: string | undefined
  driverOverride?: string
  /** How often it was reset by itself. */
  resets?: number
  settings: Mutable<VfSettings>
  hasAdminMac: boolean
  /** igbvf before Linux 6.2: the PF does not know the VF's MAC until its driver resets it, which is going down. */
  needsReset?: boolean
  /** The PF was made to forget the MAC that the VF had told it: no frame reaches the VF. */
  isForgotten?: boolean
  readonly unreported: VfInfo['unreported']
  /** What its PF has counted for it, by the numbers of IFLA_VF_STATS_…. */
  traffic?: readonly number[]
}

/** How a PF's driver behaves. `refuse` names the errno of a setting it cannot do. */
export interface PfDriver {
  readonly name: string
  readonly refuse: (change: VfChange) => string | undefined
  /** igb shows the MAC that the VF told it as long as none is administered. */
  readonly showsVfMac: boolean
  /** Only the PF sets MACs, and the VF's driver takes one over so many milliseconds later (i40e and iavf). */
  readonly lateMacMs?: number
}

export interface FakeCard {
  readonly address: string
  readonly driver: PfDriver
  readonly vfs: FakeVf[]
  /** Its VFs while it is told to have none. */
  spareVfs?: readonly FakeVf[]
  /** The kernel does not bind new VFs. */
  isNotProbed?: boolean
  /** How many VFs it does not make. */
  refusesCount?: number
}

export const ableDriver: PfDriver = { name: 'able', refuse: () => undefined, showsVfMac: false }

export const igbDriver: PfDriver = {
  name: 'igb',
  showsVfMac: true,
  refuse({ linkState, rate, vlan }) {
    if (linkState !== undefined) {
      return 'EOPNOTSUPP'
    }
    if (vlan?.vlanProto === '802.1ad') {
      return 'EPROTONOSUPPORT'
    }
    return rate && rate.minTxRateMbps !== 0 ? 'EINVAL' : undefined
  },
}

export const lateDriver: PfDriver = { name: 'late', refuse: () => undefined, showsVfMac: false, lateMacMs: 300 }

export const freshSettings = (): Mutable<VfSettings> => ({
  mac: ZERO_MAC,
  vlan: 0,
  vlanQoS: 0,
  vlanProto: '802.1q',
  minTxRateMbps: 0,
  maxTxRateMbps: 0,
  spoofchk: true,
  trust: false,
  linkState: 'auto',
})

/** Applies one setting, or refuses it and leaves everything as it was. */
export function applyVfSetting({ driver }: FakeCard, vf: FakeVf, change: VfChange): void {
  const errno = vf.isBroken && change.vlan?.vlan ? 'EIO' : driver.refuse(change)
  if (errno !== undefined) {
    throw new Refused(errno, `${driver.name} cannot do that`)
  }
  const { settings } = vf
  if (change.mac !== undefined) {
    settings.mac = change.mac
    vf.hasAdminMac = change.mac !== ZERO_MAC
    vf.isForgotten = driver.showsVfMac && !vf.hasAdminMac && !vf.needsReset
  }
  Object.assign(settings, change.vlan, change.rate)
  if (change.rate && change.rate.maxTxRateMbps !== 0 && change.rate.minTxRateMbps > change.rate.maxTxRateMbps) {
    throw new Refused('EINVAL')
  }
  settings.spoofchk = change.spoofchk ?? settings.spoofchk
  settings.linkState = change.linkState ?? settings.linkState
  settings.trust = change.trust ?? settings.trust
}

/** What the VF's own driver asks of its PF when it sets its MAC. */
export function tellPfOwnMac({ driver }: FakeCard, vf: FakeVf, mac: string): void {
  if (driver.lateMacMs !== undefined) {
    throw new Refused('EPERM')
  }
  if (vf.hasAdminMac && !vf.settings.trust && mac !== vf.settings.mac) {
    throw new Refused('EADDRNOTAVAIL')
  }
  tellMac(driver, vf, mac)
}

/** The VF's driver tells the PF the MAC that the VF has, where the PF administers none. */
function tellMac({ showsVfMac }: PfDriver, vf: FakeVf, mac: string): void {
  if (showsVfMac && !vf.hasAdminMac && !vf.needsReset) {
    vf.settings.mac = mac
    vf.isForgotten = false
  }
}

/** A VF that goes down resets itself. */
export function resetDownVf({ driver }: FakeCard, vf: FakeVf, ownMac: string): void {
  if (vf.needsReset) {
    vf.needsReset = false
    tellMac(driver, vf, ownMac)
  }
}

/** A VF that comes up resets itself; returns the MAC it has then. */
export function resetVf({ driver }: FakeCard, vf: FakeVf, ownMac: string): string {
  if (driver.lateMacMs !== undefined) {
    return ownMac
  }
  if (vf.hasAdminMac) {
    return vf.settings.mac
  }
  tellMac(driver, vf, ownMac)
  return ownMac
}
