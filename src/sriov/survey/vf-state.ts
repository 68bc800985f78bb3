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

/** States in which a VF serves nobody, and should. */
export const BAD_STATES: readonly VfState[] = ['broken', 'leaked', 'unfinished']

/** The attachment that has a VF, or had it last. */
export interface HolderFacts {
  readonly phase: Phase
  /** How error messages name it: container, interface, namespace. */
  readonly who: string
  /** When its ADD began: ISO 8601. */
  readonly since?: string
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

/** Why a VF is not simply free, or simply in use. */
export type Reason =
  /** A pod has it. */
  | 'untold'
  | 'no-driver-in-pod'
  | 'record-lost'
  | 'out-of-sight'
  /** It is to be given back. */
  | 'at-work'
  | 'other-boot'
  | 'add-unfinished'
  | 'del-unfinished'
  | 'lease-left'
  | 'pod-gone'
  /** Nobody of ours has it. */
  | 'pod-of-other-plugin'
  | 'open-in-program'
  | 'driver-override'
  | 'no-driver'
  | 'not-reported'
  | 'interface-elsewhere'
  | 'host-use'
  | 'mark-left'
  | 'vlan-left'

export interface Verdict {
  readonly state: VfState
  readonly reason?: Reason
  /** What is wrong, or who has it, in a sentence; present with a reason. */
  readonly problem?: string
}

/** Reasons that say of a pod, or of a call, that it is dead. */
export const OF_DEAD: ReadonlySet<Reason> = new Set([
  'other-boot',
  'add-unfinished',
  'del-unfinished',
  'lease-left',
  'pod-gone',
])

const verdict = (state: VfState, reason: Reason, problem: string): Verdict => ({ state, reason, problem })

/** `workers`: the subject of the sentence, with its verb. */
export const atWork = (workers: string, who: string, since: string | undefined): Verdict =>
  verdict(
    'unfinished',
    'at-work',
    `${workers} at work on it for ${who}${since === undefined ? '' : `, whose ADD began at ${since}`}`,
  )

/** What a device with an attachment is to an operator. `driver` is "" for none. */
export function verdictOnHeld(driver: string, holder: HolderFacts): Verdict {
  const { phase, who, since, tenancy, isOfThisBoot, isRecordLost, workers } = holder
  if (tenancy === 'used') {
    if (driver === '') {
      return verdict('broken', 'no-driver-in-pod', `${who} has it, but it is bound to no driver`)
    }
    return isRecordLost
      ? verdict('in-use', 'record-lost', `the record of ${who} is lost; its claim keeps the VF`)
      : { state: 'in-use' }
  }
  if (workers.length > 0) {
    return atWork(`${workers.join(' and ')} ${workers.length === 1 ? 'is' : 'are'}`, who, since)
  }
  if (tenancy === 'unseen') {
    return verdict('in-use', 'out-of-sight', `the namespace of ${who} cannot be seen from here`)
  }
  if (!isOfThisBoot) {
    return verdict('unfinished', 'other-boot', `${who} had it before this machine was booted`)
  }
  switch (phase) {
    case 'intent':
      return verdict('unfinished', 'add-unfinished', `an ADD for ${who} ended before it was complete`)
    case 'releasing':
      return verdict('unfinished', 'del-unfinished', `a DEL for ${who} ended before it was complete`)
    case 'released':
      return verdict('unfinished', 'lease-left', `it is back from ${who}; only the lease is not freed`)
    case 'attached':
      return verdict('leaked', 'pod-gone', `the pod of ${who} is gone, without a DEL`)
  }
}

function ofNobody(facts: VfFacts): Verdict {
  const { driver, interface: netdev, mark, programs, isInUserspace, vlan, driverOverride } = facts
  if (mark?.isOfLivePod) {
    return verdict('foreign', 'pod-of-other-plugin', `another plugin has given it to the pod of ${mark.path}`)
  }
  if (programs.length > 0) {
    return verdict('foreign', 'open-in-program', `${programs.join(' and ')} has it open`)
  }
  if (driver === '' && driverOverride !== '') {
    return verdict('broken', 'no-driver', `it is bound to no driver, because its driver_override is ${driverOverride}`)
  }
  if (driverOverride !== '' && driverOverride !== driver) {
    return verdict('leaked', 'driver-override', `its driver_override is ${driverOverride}, but its driver is ${driver}`)
  }
  if (driver === '' && facts.isBoundByKernel) {
    return verdict('broken', 'no-driver', 'it is bound to no driver')
  }
  if (facts.isPfAsked && vlan === undefined) {
    return verdict('broken', 'not-reported', 'its PF does not report it')
  }
  if (driver !== '' && !isInUserspace && netdev === undefined && facts.isOfNetwork) {
    const problem = 'its interface is in another network namespace, and no attachment is recorded'
    return verdict('foreign', 'interface-elsewhere', problem)
  }
  if (facts.hostUse !== undefined) {
    return verdict('host', 'host-use', facts.hostUse)
  }
  if (mark) {
    const pod = mark.path === '' ? 'nobody' : mark.path
    return verdict('leaked', 'mark-left', `it is marked for the pod of ${pod}, which is gone`)
  }
  if (facts.isReserved) {
    return { state: 'reserved' }
  }
  return vlan !== undefined && vlan !== 0
    ? verdict('leaked', 'vlan-left', `its PF has VLAN ${vlan} for it, and no attachment owns that`)
    : { state: 'free' }
}

/** What a VF is to an operator. The first rule that holds decides: who has it, then what is wrong with it. */
export const verdictOn = (facts: VfFacts): Verdict =>
  facts.holder ? verdictOnHeld(facts.driver, facts.holder) : ofNobody(facts)
