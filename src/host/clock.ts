import type { ClockPort } from './ports.js'

export const realClock: ClockPort = {
  // Not performance.now(): Node.js loads that module on its first use.
  nowMs() {
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1e3 + nanoseconds / 1e6
  },
  dateMs: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}
