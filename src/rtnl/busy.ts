/** A kernel or a driver that is busy is asked again. */
import { errnoOf } from '../errors.js'
import type { ClockPort } from '../host/ports.js'

/** PF drivers answer EBUSY or EAGAIN while their firmware is at work; ENOBUFS: the socket is short of memory. */
const BUSY_PAUSES_MS = [5, 10, 20, 50, 100, 200, 400, 800] as const
const BUSY = new Set(['EBUSY', 'EAGAIN', 'EINTR', 'ENOBUFS'])

/** Whether the kernel's errno means that another try may succeed. */
export const isBusy = (error: unknown): boolean => BUSY.has(errnoOf(error) ?? '')

/** Repeats a request for 1.6 s while the kernel is busy. @throws what the last attempt throws */
export async function retryWhileBusy<T>(clock: ClockPort, attempt: () => Promise<T>): Promise<T> {
  for (const pause of BUSY_PAUSES_MS) {
    try {
      return await attempt()
    } catch (error) {
      if (!isBusy(error)) {
        throw error
      }
    }
    await clock.sleep(pause)
  }
  return attempt()
}
