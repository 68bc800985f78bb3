import type { ClockPort } from './ports.js'

/** How long to look for something, and how long to wait between two looks. */
export interface PollLimits {
  readonly timeoutMs: number
  readonly pauseMs: number
}

/** Looks until there is an answer; undefined when the last look, after the time has passed, still has none. */
export async function pollUntil<T>(
  clock: ClockPort,
  { timeoutMs, pauseMs }: PollLimits,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  const deadline = clock.nowMs() + timeoutMs
  for (;;) {
    const isLast = clock.nowMs() >= deadline
    const found = await look()
    if (found !== undefined || isLast) {
      return found
    }
    await clock.sleep(pauseMs)
  }
}
