/** Runs work, of which so many may be under way at once. The others wait, in the order in which they came. */
export interface Slots {
  run<T>(work: () => Promise<T>): Promise<T>
  /** Resolves once everything that waits now has begun. */
  passed(): Promise<void>
  /** Whether nothing is under way. */
  isIdle(): boolean
}

export function slots(count: number): Slots {
  let free = count
  /** `begin` takes the slot, or does without one. */
  const waiting: { readonly needsSlot: boolean; begin(): void }[] = []
  const hasBegun = (needsSlot: boolean) => new Promise<void>((begin) => waiting.push({ needsSlot, begin }))

  function beginWaiting(): void {
    for (let [next] = waiting; next && (free > 0 || !next.needsSlot); [next] = waiting) {
      waiting.shift()
      free -= next.needsSlot ? 1 : 0
      next.begin()
    }
  }

  return {
    async run(work) {
      const begun = hasBegun(true)
      beginWaiting()
      await begun
      try {
        return await work()
      } finally {
        free += 1
        beginWaiting()
      }
    },
    passed() {
      const begun = hasBegun(false)
      beginWaiting()
      return begun
    },
    isIdle: () => free === count,
  }
}
