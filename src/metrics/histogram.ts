import type { Labels, Metric } from './text.js'

interface Series {
  readonly labels: Labels
  readonly counts: number[]
  sum: number
}

/** A histogram of Prometheus, in seconds. */
export interface Histogram {
  observe(labels: Labels, seconds: number): void
  metric(): Metric
}

/** `bounds`: the upper bounds of its buckets in seconds, in order, without the infinite one. */
export function makeHistogram({ name, help }: Pick<Metric, 'name' | 'help'>, bounds: readonly number[]): Histogram {
  const all = [...bounds, Infinity]
  const byKey = new Map<string, Series>()

  return {
    observe(labels, seconds) {
      const key = JSON.stringify(labels)
      const series = byKey.get(key) ?? { labels, counts: all.map(() => 0), sum: 0 }
      const at = all.findIndex((bound) => seconds <= bound)
      series.counts[at] = (series.counts[at] ?? 0) + 1
      series.sum += seconds
      byKey.set(key, series)
    },
    metric: () => ({
      name,
      help,
      type: 'histogram',
      samples: [...byKey.values()].flatMap(({ labels, counts, sum }) => {
        let below = 0
        const buckets = all.map((bound, i) => {
          below += counts[i] ?? 0
          const le = bound === Infinity ? '+Inf' : String(bound)
          return { suffix: '_bucket', labels: { ...labels, le }, value: below }
        })
        return [...buckets, { suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: below }]
      }),
    }),
  }
}
