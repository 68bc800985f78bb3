import type { KernelPort } from '../host/ports.js'

/**
 * Does something while the kernel is at work on what is asked for next; at once, where nothing goes on meanwhile.
 * Rejects with what that throws.
 */
export async function beside({ kernel }: { readonly kernel: KernelPort }, work: () => void): Promise<void> {
  if (kernel.whileAtWork) {
    await kernel.whileAtWork()
  }
  work()
}

/** A look that is taken while the kernel is at work on something else; taken when it is needed, where that failed. */
export function lookBeside<T>(host: { readonly kernel: KernelPort }, look: () => T): () => T {
  let found: { readonly value: T } | undefined
  beside(host, () => {
    found = { value: look() }
  }).catch(() => undefined)
  return () => (found ?? { value: look() }).value
}

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
