/** Decides whether kubelet may hand out a device. Pure: the facts are gathered in inventory.ts. */
import type { Verdict } from '../../sriov/survey/vf-state.js'

export interface HealthFacts {
  /** What the survey says of a VF; absent for other functions. */
  readonly verdict?: Verdict
  /** Whether kubelet has given it to a pod. */
  readonly isPromised: boolean
  /** Whether the pod to which kubelet has given it has ended. */
  readonly isOfGonePod: boolean
  /** Whether a DEL is under way, or has not finished. */
  readonly isBeingGivenBack: boolean
  /** False only for a function without a verdict: of a VF the verdict says it. */
  readonly hasDriver: boolean
  /** What the host uses it for. */
  readonly hostUse?: string
  /** Whether a pod has the PF as a whole. */
  readonly isPfGiven: boolean
  /** Whether the PF has no carrier, where the resource asks for one. */
  readonly isWithoutCarrier: boolean
}

/** Why a device is not to be handed out; undefined when it may be. A device that its own pod has is healthy. */
export function ailmentOf(facts: HealthFacts): string | undefined {
  const { verdict, isPromised, hostUse } = facts
  if (facts.isPfGiven) {
    return 'a pod has its PF as a whole'
  }
  if (!facts.hasDriver) {
    return 'it is bound to no driver'
  }
  if (facts.isBeingGivenBack) {
    return verdict?.problem ?? 'it is being given back'
  }
  switch (verdict?.state) {
    case 'broken':
      return verdict.problem
    case 'foreign':
      // The mark of another plugin, or a program, may be that of the pod that kubelet has given it to.
      if (!isPromised || facts.isOfGonePod) {
        return verdict.problem
      }
      break
    case 'host':
      return `the host uses it: ${verdict.problem}`
    case 'in-use':
      if (!isPromised) {
        return 'a pod has it, and kubelet has given it to none'
      }
      break
    case 'unfinished':
      if (!isPromised && verdict.reason === 'at-work') {
        return verdict.problem
      }
      break
    default:
  }
  if (hostUse !== undefined) {
    return `the host uses it: ${hostUse}`
  }
  return facts.isWithoutCarrier && !isPromised ? 'its PF has no carrier' : undefined
}

/** Whether a healthy device is better handed out last: what a dead pod or call left of it is to be undone first. */
export const isLastChoice = ({ verdict }: Pick<HealthFacts, 'verdict'>): boolean =>
  verdict?.state === 'leaked' || verdict?.state === 'unfinished'
