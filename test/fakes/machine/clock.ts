import type { ClockPort } from '../../../src/host/ports.js'

/** Time that passes only when somebody sleeps. */
export class FakeClock implements ClockPort {
  #nowMs = 0
  #due: { readonly atMs: number; readonly work: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  dateMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs
  }

  async sleep(ms: number): Promise<void> {
    this.#nowMs += ms
    const due = this.#due.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#due = this.#due.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { work } of due) {
      work()
    }
  }

  /** Lets something happen after that many milliseconds of sleep. */
  after(ms: number, work: () => void): void {
    this.#due.push({ atMs: this.#nowMs + ms, work })
  }
}
