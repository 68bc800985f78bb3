import { closeSync } from 'node:fs'
import { PluginError } from '../errors.js'
import { type Addon, orThrow } from './addon.js'
import { errnoName } from './errno.js'
import type { Netns, RouteSocket } from './ports.js'

/** The kernel gives its answer before sendmsg(2) returns, whatever was asked; a driver may take long in there. */
const ANSWER_TIMEOUT_MS = 30_000

/** Answers of an interface that is gone, and of one whose driver says nothing of itself. */
const TELLS_NONE = new Set(['ENODEV', 'EOPNOTSUPP'])

const NOTHING = Buffer.alloc(0)

/** What came, or what the kernel said instead. @throws PluginError kind `kernel` */
function answerOrThrow(answer: Buffer | number): Buffer {
  if (typeof answer === 'number') {
    throw new PluginError({
      kind: 'kernel',
      operation: 'receive a netlink answer',
      target: 'the route socket',
      code: errnoName(-answer),
    })
  }
  return answer
}

/** Which requests are carried out on a thread, so that nobody else waits for them; no bytes: an answer is waited for. */
export type NeedsThread = (bytes: Buffer) => boolean

/**
 * A netlink socket in a namespace, or in our own. A request and all its answers are one call of the addon: the kernel
 * works inside sendmsg(2), 16 ms and more for a move.
 * @throws PluginError kind `kernel`
 */
export function openRouteSocket(addon: Addon, needsThread: NeedsThread, netns?: Netns): RouteSocket {
  const fd = orThrow(addon.openRouteSocket(netns?.fd ?? -1), 'open a netlink socket', netns?.path ?? 'the host')
  let answers: Buffer | number | undefined
  return {
    async send(bytes) {
      answers = needsThread(bytes)
        ? await addon.exchangeRoute(fd, bytes, ANSWER_TIMEOUT_MS)
        : addon.exchangeRouteNow(fd, bytes, ANSWER_TIMEOUT_MS)
    },
    async receive(timeoutMs) {
      const received =
        answers ??
        (needsThread(NOTHING)
          ? await addon.exchangeRoute(fd, NOTHING, timeoutMs)
          : addon.exchangeRouteNow(fd, NOTHING, timeoutMs))
      answers = undefined
      return answerOrThrow(received)
    },
    async busInfo(interfaceName) {
      const told = await addon.busInfo(fd, interfaceName)
      if (typeof told === 'number' && !TELLS_NONE.has(errnoName(-told))) {
        throw new PluginError({
          kind: 'kernel',
          operation: 'ask its driver for its device',
          target: interfaceName,
          code: errnoName(-told),
        })
      }
      return typeof told === 'number' || told === '' ? undefined : told
    },
    close() {
      closeSync(fd)
    },
  }
}
