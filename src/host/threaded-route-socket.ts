import { closeSync } from 'node:fs'
import type { Addon } from './addon.js'
import { answerOrThrow, routeSocketFd } from './kernel.js'
import type { Netns, RouteSocket } from './ports.js'

/** How long a thread waits for the first answer; the kernel gives it before sendmsg(2) returns, whatever was asked. */
const FIRST_ANSWER_TIMEOUT_MS = 30_000

const NOTHING = Buffer.alloc(0)

/**
 * A route socket that waits on a thread. The kernel works inside sendmsg(2): 16 ms and more for a move, and any request
 * waits for those of others (RTNL). One request and its first answer are one trip to the thread.
 */
export function openThreadedRouteSocket(addon: Addon, netns?: Netns): RouteSocket {
  const fd = routeSocketFd(addon, netns)
  let first: Buffer | number | undefined
  return {
    async send(bytes) {
      first = await addon.exchangeRoute(fd, bytes, FIRST_ANSWER_TIMEOUT_MS)
    },
    async receive(timeoutMs) {
      const answer = first ?? (await addon.exchangeRoute(fd, NOTHING, timeoutMs))
      first = undefined
      return answerOrThrow(answer)
    },
    close() {
      closeSync(fd)
    },
  }
}
