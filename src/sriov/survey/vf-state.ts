/** Decides what an operator is told about a VF. Pure: the facts are gathered in survey.ts. */
import type { Phase } from '../../state/record.js'

/**
 * `reserved`: kubelet's device plugin hands it out. `unfinished`: a call is at work on it, or ended in the middle.
 * `leaked`: nobody's, yet not as it was. `foreign`: another plugin, a virtual machine or a program has it.
 */
export type VfState = 'free' | 'in-use' | 'reserved' | 'host' | 'unfinished' | 'leaked' | 'foreign' | 'broken'

export const VF_STATES: readonly VfState[] = [
  'free',
  'in-use',
  'reserved',
  'host',
  'unfinished',
  'leaked',
  'foreign',
  'broken',
]

/** The attachment that has a VF, or had it last. */
export interface HolderFacts {
  readonly phase: Phase
  /** How error messages name it: container, interface, namespace. */
  readonly who: string
  readonly tenancy: 'used' | 'free' | 'unseen'
  readonly isOfThisBoot: boolean
  readonly isRecordLost: boolean
  /** The processes that hold the lock of the VF. */
  readonly workers: readonly string[]
}

export interface VfFacts {
  /** "" for none. */
  readonly driver: string
  readonly isInUserspace: boolean
  /** Whether it is a network card's: others never have an interface. */
  readonly isOfNetwork: boolean
  /** Its interface on the host. */
  readonly interface?: string
  readonly holder?: HolderFacts
  /** The mark that the Go sriov-cni and this plugin share. */
  readonly mark?: { readonly path: string; readonly isOfLivePod: boolean }
  /** Programs in user space that have it open. */
  readonly programs: readonly string[]
  readonly isReserved: boolean
  /** What the host uses its interface for. */
  readonly hostUse?: string
  /** Whether the PF has an interface, and so can be asked about its VFs. */
  readonly isPfAsked: boolean
  /** The VLAN that the PF has for it; absent when the PF does not report the VF. */
  readonly vlan?: number
  readonly driverOverride: string
  /** Whether the kernel binds new VFs to their drivers (sriov_drivers_autoprobe). */
  readonly isBoundByKernel: boolean
}

export interface Verdict {
  readonly state: VfState
  /** What is wrong, or who has it, in a sentence; absent when there is nothing to say. */
  readonly problem?: string
}

const verdict = (state: VfState, problem?: string): Verdict => ({ state, ...(problem !== undefined && { problem }) })

function ofHolder(facts: VfFacts, { phase, who, tenancy, isOfThisBoot, isRecordLost, workers }: HolderFacts): Verdict {
  if (tenancy === 'used') {
    return facts.driver === ''
      ? verdict('broken', `${who} has it, but it is bound to no driver`)
      : verdict('in-use', isRecordLost ? `the record of ${who} is lost; its claim keeps the VF` : undefined)
  }
  if (workers.length > 0) {
    return verdict('unfinished', `${workers.join(' and ')} is at work on it for ${who}`)
  }
  if (tenancy === 'unseen') {
    return verdict('in-use', `the namespace of ${who} cannot be seen from here`)
  }
  if (!isOfThisBoot) {
    return verdict('unfinished', `${who} had it before this machine was booted`)
  }
  switch (phase) {
    case 'intent':
      return verdict('unfinished', `an ADD for ${who} ended before it was complete`)
    case 'releasing':
      return verdict('unfinished', `a DEL for ${who} ended before it was complete`)
    case 'released':
      return verdict('unfinished', `it is back from ${who}; only the lease is not freed`)
    case 'attached':
      return verdict('leaked', `the pod of ${who} is gone, without a DEL`)
  }
}

function ofNobody(facts: VfFacts): Verdict {
  const { driver, interface: netdev, mark, programs, isInUserspace, vlan, driverOverride } = facts
  if (mark?.isOfLivePod) {
    return verdict('foreign', `another plugin has given it to the pod of ${mark.path}`)
  }
  if (programs.length > 0) {
    return verdict('foreign', `${programs.join(' and ')} has it open`)
  }
  if (driverOverride !== '' && driverOverride !== driver) {
    return verdict(
      'leaked',
      `driver_override is ${driverOverride}, but its driver is ${driver === '' ? 'none' : driver}`,
    )
  }
  if (driver === '' && facts.isBoundByKernel) {
    return verdict('broken', 'it is bound to no driver')
  }
  if (facts.isPfAsked && vlan === undefined) {
    return verdict('broken', 'its PF does not report it')
  }
  if (driver !== '' && !isInUserspace && netdev === undefined && facts.isOfNetwork) {
    return verdict('foreign', 'its interface is in another network namespace, and no attachment is recorded')
  }
  if (facts.hostUse !== undefined) {
    return verdict('host', facts.hostUse)
  }
  if (mark) {
    return verdict('leaked', `it is marked for the pod of ${mark.path === '' ? 'nobody' : mark.path}, which is gone`)
  }
  if (facts.isReserved) {
    return verdict('reserved')
  }
  return vlan !== undefined && vlan !== 0
    ? verdict('leaked', `its PF has VLAN ${vlan} for it, and no attachment owns that`)
    : verdict('free')
}

/** What a VF is to an operator. The first rule that holds decides: who has it, then what is wrong with it. */
export const verdictOn = (facts: VfFacts): Verdict => (facts.holder ? ofHolder(facts, facts.holder) : ofNobody(facts))
