/** Events come in bursts: a VF that appears makes a dozen. */
const SETTLE_MS = 100
/** After a round that failed. */
const RETRY_MS = 5_000
/** Between two rounds, so that a storm of pods leaves the processor to the pods. */
const GAP_MS = 400

/** Rounds through the node, one at a time. */
export interface Rounds {
  /** Something may have changed: there is a round soon. */
  look(): void
  /** Resolves after a round that begins from now on. @throws what the round throws */
  refresh(): Promise<void>
}

/** A round that fails is told to `failed`, and there is another one. */
export function makeRounds(
  after: (ms: number, work: () => void) => void,
  work: () => Promise<void>,
  failed: (error: unknown) => void,
): Rounds {
  let last: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  let isWaiting = false
  let isEarly = false

  function refresh(): Promise<void> {
    if (!next) {
      next = last.then(() => {
        next = undefined
        return work()
      })
      last = next.catch((error: unknown) => {
        failed(error)
        after(RETRY_MS, look)
      })
    }
    return next
  }

  function look(): void {
    if (isWaiting) {
      return
    }
    isWaiting = true
    after(isEarly ? GAP_MS : SETTLE_MS, () => {
      isWaiting = false
      isEarly = true
      after(GAP_MS, () => {
        isEarly = false
      })
      // `last` has told of it.
      refresh().catch(() => undefined)
    })
  }

  return { refresh, look }
}
