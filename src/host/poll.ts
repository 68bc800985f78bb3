import type { ClockPort } from './ports.js'

/** How long to poll for something, and how long to pause between two looks. */
export interface PollLimits {
  readonly timeoutMs: number
  readonly pauseMs: number
}

/** Calls `look` until it answers. The last call comes after the timeout; undefined when it has no answer either. */
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
