import { type Addon, orThrow } from './addon.js'

/** UV_READABLE and UV_WRITABLE of uv.h. A socket whose other end is gone is readable. */
const EVENTS = { readable: 1, writable: 2 } as const

export type Readiness = keyof typeof EVENTS

/** Something that goes on until it is stopped. */
export interface Watch {
  /** Once; from then on the descriptor may be closed. */
  stop(): void
}

/** Calls back whenever a descriptor is ready. @throws PluginError kind `kernel` */
export function watch(addon: Addon, fd: number, readiness: Readiness, onReady: () => void): Watch {
  const watcher = addon.watch(fd, EVENTS[readiness], onReady)
  if (typeof watcher === 'number') {
    orThrow(watcher, 'watch', `descriptor ${fd}`)
    throw new RangeError('a watcher is no number')
  }
  return { stop: () => addon.unwatch(watcher) }
}

/** Waits until a descriptor is ready, without blocking anything else; false when it is not in time. @throws PluginError kind `kernel` */
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
