import type { ClockPort, Log } from '../host/ports.js'

const INTERVAL_MS = 10_000

/**
 * Wraps a log function for events that a peer can cause any number of times. Each sentence is written once in ten
 * seconds, with the number of lines that were left out in between.
 */
export function throttled(log: Log['info'], clock: Pick<ClockPort, 'nowMs'>): Log['info'] {
  const said = new Map<string, { atMs: number; leftOut: number }>()
  return (message, facts) => {
    const last = said.get(message)
    if (last && clock.nowMs() - last.atMs < INTERVAL_MS) {
      last.leftOut += 1
      return
    }
    log(message, { ...facts, ...(last && last.leftOut > 0 && { leftOut: last.leftOut }) })
    said.set(message, { atMs: clock.nowMs(), leftOut: 0 })
  }
}
