/** Counts the calls of the node from its journal: those of the resident process and those without it. */

import type { FilePort } from '../host/ports.js'
import { type JournalEntry, journalEntries } from '../state/journal.js'
import type { Labels, Metric, Sample } from './text.js'

/** Upper bounds in seconds. One move of an interface takes 16 ms. */
const BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, Infinity] as const

interface Durations {
  readonly buckets: number[]
  sum: number
  count: number
}

/** A count for each set of labels. */
class Counts<Value> {
  readonly #byKey = new Map<string, { readonly labels: Labels; value: Value }>()

  change(labels: Labels, first: () => Value, next: (value: Value) => Value): void {
    const key = JSON.stringify(labels)
    const entry = this.#byKey.get(key) ?? { labels, value: first() }
    entry.value = next(entry.value)
    this.#byKey.set(key, entry)
  }

  all(): readonly { readonly labels: Labels; readonly value: Value }[] {
    return [...this.#byKey.values()]
  }
}

const isSame = (left: JournalEntry, right: JournalEntry | undefined): boolean =>
  JSON.stringify(left) === JSON.stringify(right)

const samplesOf = ({ labels, value: { buckets, sum, count } }: { labels: Labels; value: Durations }): Sample[] => [
  ...BUCKETS.map((bound, i) => ({
    suffix: '_bucket',
    labels: { ...labels, le: bound === Infinity ? '+Inf' : String(bound) },
    value: buckets.slice(0, i + 1).reduce((total, one) => total + one, 0),
  })),
  { suffix: '_sum', labels, value: sum },
  { suffix: '_count', labels, value: count },
]

export interface CallCounter {
  /** Reads what is new. @throws PluginError kind `state` */
  metrics(files: FilePort): readonly Metric[]
}

/** Counts from the moment on at which it is made: what is in the journal before is not counted. @throws PluginError */
export function countCalls(atStart: FilePort): CallCounter {
  const calls = new Counts<number>()
  const durations = new Counts<Durations>()
  let last = journalEntries(atStart).at(-1)

  function count({ verb, ms, error }: JournalEntry): void {
    calls.change(
      { verb, code: String(error?.code ?? 0) },
      () => 0,
      (value) => value + 1,
    )
    durations.change(
      { verb },
      () => ({ buckets: BUCKETS.map(() => 0), sum: 0, count: 0 }),
      ({ buckets, sum, count: before }) => {
        const at = BUCKETS.findIndex((bound) => ms / 1000 <= bound)
        buckets[at] = (buckets[at] ?? 0) + 1
        return { buckets, sum: sum + ms / 1000, count: before + 1 }
      },
    )
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
          samples: calls.all(),
        },
        {
          name: 'sriov_call_duration_seconds',
          type: 'histogram',
          help: 'How long these calls took.',
          samples: durations.all().flatMap(samplesOf),
        },
      ]
    },
  }
}
