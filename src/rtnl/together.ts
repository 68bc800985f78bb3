/** The results of promises, by place. */
type Settled<T extends readonly unknown[]> = { -readonly [K in keyof T]: Awaited<T[K]> }

/**
 * Waits for all, and for the first error in their order, not in that of time. What is asked of one Rtnl together travels
 * together.
 */
export async function together<const T extends readonly Promise<unknown>[]>(promises: T): Promise<Settled<T>> {
  await Promise.allSettled(promises)
  const results: unknown[] = []
  for (const promise of promises) {
    results.push(await promise)
  }
  return results as Settled<T>
}
