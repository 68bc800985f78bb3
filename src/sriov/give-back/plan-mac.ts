import { ZERO_MAC } from '../../netlink/mac.js'

/** What came of setting the interface's own MAC: its driver took it, or lets only the PF set one. */
export type MacTrial = 'taken' | 'refused'

/** What decides how the MACs of a VF are restored. `pf` is the MAC that the PF shows for it, `own` its interface's. */
export interface MacFacts {
  readonly original: { readonly pf: string; readonly own: string | undefined }
  readonly now: { readonly pf: string; readonly own: string }
  /** The MAC that the PF had administered before the ADD, as an earlier trial has shown; undefined without one. */
  readonly noted: string | undefined
  /** The trial while the PF keeps its MAC; undefined when there was none. */
  readonly trial?: MacTrial
  /** The trial after the PF was freed. When it was refused, the PF administers the interface's own MAC for now. */
  readonly trialFreed?: MacTrial
}

/**
 * - `try`: set the interface's own MAC. Plan again with `trial`.
 * - `note`: write down that the PF had administered its MAC.
 * - `free`: make the PF administer none, where its driver can do that.
 * - `try-freed`: set the interface's own MAC; when that is refused, make the PF administer it. Plan again with
 *   `trialFreed`.
 * - `reset-unless-shown`: unless the PF shows the original MAC, reset the VF, which then tells its PF its own.
 * - `tell`: make the PF administer the original MAC, or none.
 * - `tell-unless-shown`: do that unless the PF shows it.
 */
export type MacStep = 'try' | 'note' | 'free' | 'try-freed' | 'reset-unless-shown' | 'tell' | 'tell-unless-shown'

/**
 * Whether the PF, which showed no MAC for the VF before the ADD, now shows the MAC that the VF has told it (igb,
 * ixgbe). It must not be cleared: the PF would send the VF no more frames, because igbvf does not tell its MAC again
 * when it comes up.
 */
const isOwnReport = ({ original, now }: MacFacts): boolean => original.pf === ZERO_MAC && now.pf === original.own

/** Whether the PF administered the MAC that it showed before the ADD. The VF may have told it that MAC instead. */
const wasAdministered = ({ original, noted, trial }: MacFacts): boolean =>
  original.pf !== ZERO_MAC &&
  (trial === 'refused' || (noted === undefined ? original.pf !== original.own : noted !== ZERO_MAC))

/** Plans the PF's MAC, once the interface has its own. */
function planPfMac(facts: MacFacts): readonly MacStep[] {
  if (wasAdministered(facts)) {
    return ['tell']
  }
  const isFree = facts.trialFreed === 'taken'
  if (isFree && isOwnReport(facts)) {
    return []
  }
  const reset: readonly MacStep[] = facts.original.pf === ZERO_MAC ? [] : ['reset-unless-shown']
  return [...(isFree ? [] : (['free'] as const)), ...reset, 'tell-unless-shown']
}

/**
 * The next steps that restore the MACs of a VF; none when both are as they were. While a PF administers a MAC, an
 * untrusted VF may set no other (EADDRNOTAVAIL). So when the PF's MAC has changed, or the VF is refused its own, the PF
 * is freed before the VF sets its own.
 */
export function planMacRestore(facts: MacFacts): readonly MacStep[] {
  const { original, now, noted, trial, trialFreed } = facts
  if (trialFreed) {
    return planPfMac(facts)
  }
  const isPfAsBefore = now.pf === original.pf || isOwnReport(facts)
  if (!trial && noted === undefined && isPfAsBefore) {
    return now.own === (original.own ?? now.own) ? [] : ['try']
  }
  if (trial === 'taken' && isPfAsBefore) {
    return []
  }
  const note: readonly MacStep[] = trial === 'refused' ? ['note'] : []
  return [...note, ...(now.pf === ZERO_MAC ? [] : (['free'] as const)), 'try-freed']
}
