import { type Addon, orThrow } from '../addon.js'

/** UV_READABLE and UV_WRITABLE of uv.h. A socket whose other end is gone is readable. */
const EVENTS = { readable: 1, writable: 2 } as const

/** What a descriptor can be ready for. */
export type Readiness = keyof typeof EVENTS

/** A watch that runs until it is stopped. */
export interface Watch {
  /** Call it once. The descriptor may be closed afterwards. */
  stop(): void
}

/** Calls back each time a descriptor is ready. @throws PluginError kind `kernel` */
export function watch(addon: Addon, fd: number, readiness: Readiness, onReady: () => void): Watch {
  const watcher = addon.watch(fd, EVENTS[readiness], onReady)
  if (typeof watcher === 'number') {
    orThrow(watcher, 'watch', `descriptor ${fd}`)
    throw new RangeError('a watcher is no number')
  }
  return { stop: () => addon.unwatch(watcher) }
}

/**
 * Waits until a descriptor is ready, without blocking anything else; false when it is not ready in time.
 * @throws PluginError kind `kernel`
 */
export function untilReady(addon: Addon, fd: number, readiness: Readiness, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isReady: boolean) => {
      clearTimeout(timer)
      ready.stop()
      resolve(isReady)
    }
    const ready = watch(addon, fd, readiness, () => end(true))
    const timer = setTimeout(() => end(false), timeoutMs)
  })
}
