import { readFileSync } from 'node:fs'
import { type Bed, RESIDENT_HOST_LOCAL } from '../cases.js'
import { runAll } from '../measure.js'
import { clearSpans, nowMs, readSpans, type Span } from './spans.js'

/** What happened while many pods started at once. Times count from the first start of a launcher. */
export interface Timeline {
  readonly pods: number
  readonly elapsedMs: number
  readonly spans: readonly (Pick<Span, 'kind' | 'beginMs' | 'endMs'> & { readonly pod?: number })[]
}

const indexOf = (netdev: string): number => Number(readFileSync(`/sys/class/net/${netdev}/ifindex`, 'utf8'))

/** Lets all pods start at once, and tells what the resident process waited for. */
export async function traceAtOnce(beds: readonly Bed[]): Promise<Timeline> {
  const { add, del } = RESIDENT_HOST_LOCAL
  const pods = new Map(beds.map(({ netdev }, i) => [indexOf(netdev), i]))
  clearSpans()
  const startMs = nowMs()
  const { elapsedMs } = await runAll(beds.map((bed) => add(bed)))
  const spans = readSpans()
  await runAll(beds.map((bed) => del(bed)))
  const own = Number(process.env.BENCH_DAEMON)
  return {
    pods: beds.length,
    elapsedMs,
    spans: spans
      .filter(({ pid }) => pid === own)
      .map(({ kind, beginMs, endMs, subject, pod: ofProgram }) => {
        // In the pod its interface may have another index.
        const pod = kind === 'move' || kind === 'change' ? pods.get(subject) : ofProgram
        return { kind, beginMs: beginMs - startMs, endMs: endMs - startMs, ...(pod !== undefined && { pod }) }
      }),
  }
}
