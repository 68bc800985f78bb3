/** The results of promises, in their order. */
type Settled<T extends readonly unknown[]> = { -readonly [K in keyof T]: Awaited<T[K]> }

/**
 * Waits for all promises. Rejects with the first error in list order, not in order of time. Requests that one Rtnl gets
 * together share a datagram.
 */
export async function together<const T extends readonly Promise<unknown>[]>(promises: T): Promise<Settled<T>> {
  await Promise.allSettled(promises)
  const results: unknown[] = []
  for (const promise of promises) {
    results.push(await promise)
  }
  return results as Settled<T>
}
