/**
 * The MAC of a VF has two owners: the PF may administer one, and the VF's driver may set one while the PF does not
 * forbid it. igb shows either of them as the VF's MAC. Once a PF has administered one, an untrusted VF is refused
 * another (EADDRNOTAVAIL) and takes the administered one at its next reset, which for igbvf is going down.
 */
import { errnoOf, messageOf, PluginError } from '../../errors.js'
import { pollUntil } from '../../host/poll.js'
import type { ClockPort } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { ZERO_MAC } from '../../netlink/mac.js'
import type { VfSettings } from '../../netlink/vf-info.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { type Blame, changeLink, linkByIndex } from '../../rtnl/link.js'
import { applyVfSteps, type PfWriter, type VfTarget } from './apply.js'
import type { VfStep } from './plan.js'

/** i40e and iavf apply a PF-set MAC late; poll the interface until it shows it. */
const MAC_SETTLE = { timeoutMs: 2_000, pauseMs: 10 }

/** Errors of VF drivers that may not change their MAC, or not yet. */
const NOT_ALLOWED = new Set(['EADDRNOTAVAIL', 'EPERM', 'EACCES', 'EOPNOTSUPP', 'EBUSY', 'EAGAIN'])

export const mayNotSetMac = (error: unknown): boolean => NOT_ALLOWED.has(errnoOf(error) ?? '')

/**
 * Whether the PF does not know the MAC of its VF, and so sends it no frames even when it is up. igb shows no MAC then.
 * Before Linux 6.2, igbvf takes the PF's answer to its first reset for a failure (e1000_reset_hw_vf() in igbvf/vf.c)
 * and tells its MAC only with the next reset: when it goes down, or two seconds after it came up.
 */
export const isUnknownToPf = (pfDriver: string, { mac }: Pick<VfSettings, 'mac'>): boolean =>
  pfDriver === 'igb' && mac === ZERO_MAC

/**
 * The MAC that the PF is told on release. An untrusted VF that could set its own MAC had none administered: the PF
 * showed what the VF had told it, and the VF will tell it again.
 */
export const adminMacToRelease = (original: VfSettings, couldSetOwnMac: boolean): string =>
  couldSetOwnMac && !original.trust ? ZERO_MAC : original.mac

/** A refusal decides what the PF is told on release, so a single one is not believed. */
const TRIES = 2

/** Sets the MAC of an interface; false when its driver lets only the PF do that. @throws PluginError kind `kernel` */
export async function trySetMac(
  rtnl: Rtnl,
  index: number,
  mac: string,
  blame: Omit<Blame, 'operation'>,
): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      await changeLink(rtnl, index, { mac }, { operation: `set mac ${mac}`, ...blame })
      return true
    } catch (error) {
      if (!mayNotSetMac(error)) {
        throw error
      }
    }
  }
  return false
}

/** One step that tells the PF a MAC. */
export const macStep = (mac: string): VfStep => ({ operation: `set mac ${mac}`, change: { mac } })

/** Removes an administered MAC, so that the VF may set its own. A driver that cannot do that is left alone. */
export async function freeMac(pf: PfWriter, target: VfTarget): Promise<void> {
  try {
    await applyVfSteps(pf, target, [macStep(ZERO_MAC)])
  } catch (error) {
    pf.host.log.info('the PF keeps its MAC for the VF', { error: messageOf(error) })
  }
}

/** An interface and the MAC that it must get. `target` names it in error messages. */
export interface MacTarget {
  readonly index: number
  readonly mac: string
  readonly target: string
  readonly driver: string
}

/**
 * Waits until an interface shows its MAC, setting it once more where the driver lets it.
 * @throws PluginError kind `kernel` after 2 s
 */
export async function settleMac(
  rtnl: Rtnl,
  clock: ClockPort,
  { index, mac, target, driver }: MacTarget,
): Promise<Link> {
  const operation = `set mac ${mac}`
  let shown: Link | undefined
  const settled = await pollUntil(clock, MAC_SETTLE, async () => {
    shown = await linkByIndex(rtnl, index)
    if (shown?.mac === mac) {
      return shown
    }
    try {
      await changeLink(rtnl, index, { mac }, { operation, target, driver })
    } catch (error) {
      if (!mayNotSetMac(error)) {
        throw error
      }
    }
    return undefined
  })
  if (!settled) {
    const text = shown ? `it still has ${shown.mac}` : 'it is gone'
    throw new PluginError({ kind: 'kernel', operation, target, driver, code: 'ETIMEDOUT', text })
  }
  return settled
}
