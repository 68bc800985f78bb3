/** Counts the calls of the node from its journal: those of the resident process and those without it. */

import type { FilePort } from '../host/ports.js'
import { CALL_PHASES } from '../state/call-phases.js'
import { type JournalEntry, journalEntries } from '../state/journal.js'
import { makeHistogram } from './histogram.js'
import type { Labels, Metric } from './text.js'

/** Upper bounds in seconds. One move of an interface takes 16 ms. */
const CALL_BOUNDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** A PF that is told a VLAN answers within a millisecond, or when its firmware is done. */
const PHASE_BOUNDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30]

const isSame = (left: JournalEntry, right: JournalEntry | undefined): boolean =>
  JSON.stringify(left) === JSON.stringify(right)

export interface CallCounter {
  /** Reads what is new. @throws PluginError kind `state` */
  metrics(files: FilePort): readonly Metric[]
}

/** Counts from the moment on at which it is made: what is in the journal before is not counted. @throws PluginError */
export function countCalls(atStart: FilePort): CallCounter {
  const calls = new Map<string, { readonly labels: Labels; value: number }>()
  const durations = makeHistogram(
    { name: 'sriov_call_duration_seconds', help: 'How long these calls took.' },
    CALL_BOUNDS,
  )
  const phases = makeHistogram(
    {
      name: 'sriov_phase_duration_seconds',
      help: 'What each ADD and DEL spent its time on, by phase. ipam of an ADD runs beside the others.',
    },
    PHASE_BOUNDS,
  )
  let last = journalEntries(atStart).at(-1)

  function count({ verb, ms, error, phases: times = {} }: JournalEntry): void {
    const labels = { verb, code: String(error?.code ?? 0) }
    const key = JSON.stringify(labels)
    calls.set(key, { labels, value: (calls.get(key)?.value ?? 0) + 1 })
    durations.observe({ verb }, ms / 1000)
    for (const phase of CALL_PHASES) {
      const spentMs = times[phase]
      if (spentMs !== undefined) {
        phases.observe({ verb, phase }, spentMs / 1000)
      }
    }
  }

  return {
    metrics(files) {
      const entries = journalEntries(files)
      // The last known one may have gone with the older file: all are new then.
      const known = last === undefined ? -1 : entries.findLastIndex((entry) => isSame(entry, last))
      entries.slice(known + 1).forEach(count)
      last = entries.at(-1) ?? last
      return [
        {
          name: 'sriov_calls_total',
          type: 'counter',
          help: 'Calls that the journal of the node has: each ADD and DEL, each CHECK and GC that failed, each device given back. code 0: it succeeded.',
          samples: [...calls.values()],
        },
        durations.metric(),
        phases.metric(),
      ]
    },
  }
}
