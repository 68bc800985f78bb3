import { closeSync } from 'node:fs'
import type { Addon } from './addon.js'
import { answerOrThrow, routeSocketFd } from './kernel.js'
import type { Netns, RouteSocket } from './ports.js'

/** How long a thread waits for an answer; the kernel gives it before sendmsg(2) returns, whatever was asked. */
const ANSWER_TIMEOUT_MS = 30_000

const NOTHING = Buffer.alloc(0)

/**
 * A route socket that waits on a thread. The kernel works inside sendmsg(2): 16 ms and more for a move, and any request
 * waits for those of others (RTNL). A request and its answers are one trip to the thread.
 */
export function openThreadedRouteSocket(addon: Addon, netns?: Netns): RouteSocket {
  const fd = routeSocketFd(addon, netns)
  let answers: Buffer | number | undefined
  return {
    async send(bytes) {
      answers = await addon.exchangeRoute(fd, bytes, ANSWER_TIMEOUT_MS)
    },
    async receive(timeoutMs) {
      const received = answers ?? (await addon.exchangeRoute(fd, NOTHING, timeoutMs))
      answers = undefined
      return answerOrThrow(received)
    },
    close() {
      closeSync(fd)
    },
  }
}
