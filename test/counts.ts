import { TestRunner } from 'vitest'

/** What the test tiers try in numbers: the summary adds them up. */
export type Counted =
  | 'kill points'
  | 'power cuts'
  | 'injected faults'
  | 'random sequences'
  | 'fuzz inputs'
  | 'calls at once'
  | 'attacks'

/** The part of a test's meta data that ends in the JSON report. */
interface CountingMeta {
  counts?: Partial<Record<Counted, number>>
}

/** Notes that the running test has tried something so many times; it counts as passed when the test does. */
export function count(what: Counted, times = 1): void {
  const meta = TestRunner.getCurrentTest()?.meta as CountingMeta | undefined
  if (meta) {
    meta.counts = { ...meta.counts, [what]: (meta.counts?.[what] ?? 0) + times }
  }
}
