import type { ClockPort } from './ports.js'

export const realClock: ClockPort = {
  nowMs: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}
