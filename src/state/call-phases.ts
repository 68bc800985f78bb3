/** What a call spends its time on, for the journal. */
import type { ClockPort } from '../host/ports.js'

/**
 * - `lock`: waiting for the lock of a VF or a PF, while another call has it.
 * - `choose`: finding the device: who has which VF, what the policy allows, what dead pods and calls have left.
 * - `pf`: asking the PF, and telling it the settings of the VF.
 * - `driver`: loading drivers, waiting for the last user of a VF, binding it, and what its driver makes of it.
 * - `netdev`: the interface before and after its move: up or down, MAC, names, MTU, addresses.
 * - `move`: into or out of the network namespace of the pod, the RDMA device, too.
 * - `ipam`: waiting for the IPAM plugin. During an ADD it runs beside the others.
 */
export const CALL_PHASES = ['lock', 'choose', 'pf', 'driver', 'netdev', 'move', 'ipam'] as const

export type CallPhase = (typeof CALL_PHASES)[number]

/** Milliseconds. A phase that the call did not come to is absent. */
export type PhaseTimes = Readonly<Partial<Record<CallPhase, number>>>

export interface PhaseRecorder {
  /** Begins a phase. The returned function ends it; calling that again does nothing. */
  begin(phase: CallPhase): () => void
  /** Counts `work`, which begins at once. What a phase within it takes counts for that one only. */
  during<T>(phase: CallPhase, work: () => Promise<T>): Promise<T>
  /**
   * Counts `work` that other phases go on beside. Where it blocks our own thread, as waiting for a program does in a
   * process of one call, that time counts for none of those.
   */
  beside<T>(phase: CallPhase, work: () => Promise<T>): Promise<T>
  /** To a tenth of a millisecond. */
  times(): PhaseTimes
}

export function recordPhases(clock: ClockPort): PhaseRecorder {
  const spentMs = new Map<CallPhase, number>()
  /** What has been counted already, and so is not to count for a phase around it. */
  let countedMs = 0

  const add = (phase: CallPhase, ms: number) => spentMs.set(phase, (spentMs.get(phase) ?? 0) + ms)

  function begin(phase: CallPhase): () => void {
    const startMs = clock.nowMs()
    const countedBefore = countedMs
    let isOver = false
    return () => {
      if (isOver) {
        return
      }
      isOver = true
      const ownMs = Math.max(0, clock.nowMs() - startMs - (countedMs - countedBefore))
      add(phase, ownMs)
      countedMs += ownMs
    }
  }

  return {
    begin,
    async during(phase, work) {
      const end = begin(phase)
      try {
        return await work()
      } finally {
        end()
      }
    },
    async beside(phase, work) {
      const startMs = clock.nowMs()
      const pending = work()
      countedMs += clock.nowMs() - startMs
      try {
        return await pending
      } finally {
        add(phase, clock.nowMs() - startMs)
      }
    },
    times() {
      const times: Partial<Record<CallPhase, number>> = {}
      for (const phase of CALL_PHASES) {
        const ms = spentMs.get(phase)
        if (ms !== undefined) {
          times[phase] = Math.round(ms * 10) / 10
        }
      }
      return times
    },
  }
}
