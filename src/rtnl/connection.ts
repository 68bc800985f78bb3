import { errnoOf, PluginError } from '../errors.js'
import { errnoName } from '../host/errno.js'
import type { Host, NetlinkSocket, Netns } from '../host/ports.js'
import {
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
} from '../netlink/constants.js'
import {
  type Acknowledgement,
  decodeAcknowledgement,
  decodeMessages,
  encodeMessages,
  type NetlinkMessage,
} from '../netlink/message.js'
import { isBusy, retryWhileBusy } from './busy.js'

/** The kernel answers in microseconds. A driver that resets its VF takes longer, and RTNL may be contended. */
const ANSWER_TIMEOUT_MS = 30_000

/** A dump whose objects changed meanwhile is repeated (NLM_F_DUMP_INTR). */
const MAX_DUMP_ATTEMPTS = 10

/** From include/uapi/asm-generic/errno-base.h. Checked before an error is created: a free name is the usual case. */
const ENODEV = 19

/** A request: the operation and its target (both for the error message), and the bytes behind the netlink header. */
export interface RtnlRequest {
  readonly operation: string
  readonly target: string
  readonly driver?: string
  readonly type: number
  readonly flags?: number
  readonly payload: Buffer
  /** Additional facts for the debug log. */
  readonly trace?: Readonly<Record<string, unknown>>
}

/** A netlink conversation in one network namespace. Every request is repeated for 1.6 s while the kernel is busy. */
export interface Conversation {
  readonly netnsPath: string
  /** Asks for one object; undefined when none has that name or index (ENODEV). @throws PluginError kind `kernel` */
  find(request: RtnlRequest): Promise<NetlinkMessage | undefined>
  /** Asks for all objects, and again when they change meanwhile: 10 times at most. @throws PluginError kind `kernel` */
  dump(request: RtnlRequest): Promise<NetlinkMessage[]>
  /** Makes one change. @throws PluginError kind `kernel` with the driver's words */
  change(request: RtnlRequest): Promise<void>
  /** Makes changes in order, sent in one datagram. @throws PluginError kind `kernel` for the first one refused */
  changeAll(requests: readonly RtnlRequest[]): Promise<void>
}

/** A conversation by rtnetlink. */
export interface Rtnl extends Conversation, Disposable {
  /** The bus address that a driver reports to ethtool; see RouteSocket. @throws PluginError kind `kernel` */
  busInfo(interfaceName: string): Promise<string | undefined>
}

interface Refused {
  readonly request: RtnlRequest
  readonly acknowledgement: Acknowledgement
}

/** The answer to one request. */
interface Answer {
  readonly found: NetlinkMessage[]
  /** Present when the request was refused. */
  acknowledgement?: Acknowledgement
  /** The listed objects changed during the dump (NLM_F_DUMP_INTR). */
  wasInterrupted: boolean
}

/** A request that waits for its answer, with flags in addition to its own. */
interface Asked {
  readonly request: RtnlRequest
  readonly flags: number
  resolve(answer: Answer): void
  reject(error: unknown): void
}

function refusal({ request, acknowledgement: { errno, text } }: Refused): PluginError {
  return new PluginError({
    kind: 'kernel',
    operation: request.operation,
    target: request.target,
    code: errnoName(errno),
    ...(request.driver !== undefined && { driver: request.driver }),
    ...(text !== undefined && text !== '' && { text }),
  })
}

/** Reads an NLMSG_DONE. A dump that fails half-way has its errno here, without the request behind it. */
const endOfDump = ({ payload }: NetlinkMessage): Acknowledgement => ({
  errno: payload.length >= 4 ? 0 - payload.readInt32LE(0) : 0,
})

/** A conversation over a socket, which it closes at its end. */
export function converseBy(
  socket: NetlinkSocket,
  netnsPath: string,
  { clock, log }: Pick<Host, 'clock' | 'log'>,
): Conversation & Disposable {
  let sequence = 0

  /** Sends requests together. Collects the answers to each until its acknowledgement or the end of its dump. */
  async function converse(asked: readonly Pick<Asked, 'request' | 'flags'>[]): Promise<Answer[]> {
    const first = sequence + 1
    sequence += asked.length
    const messages = asked.map(({ request, flags }, i) => {
      const { operation, target, type, trace, payload } = request
      log.debug('netlink request', { netns: netnsPath, type, operation, target, ...trace })
      const allFlags = NLM_F_REQUEST | flags | (request.flags ?? 0)
      return { type, flags: allFlags, sequence: first + i, portId: 0, payload }
    })
    await socket.send(encodeMessages(messages))
    const answers = asked.map((): Answer => ({ found: [], wasInterrupted: false }))
    for (let open = asked.length; open > 0; ) {
      for (const message of decodeMessages(await socket.receive(ANSWER_TIMEOUT_MS))) {
        const answer = answers[message.sequence - first]
        if (!answer || message.type === NLMSG_NOOP) {
          continue
        }
        answer.wasInterrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0 && message.type !== NLMSG_ERROR
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          open -= 1
          const acknowledgement = message.type === NLMSG_ERROR ? decodeAcknowledgement(message) : endOfDump(message)
          if (acknowledgement.errno !== 0) {
            answer.acknowledgement = acknowledgement
          }
        } else {
          answer.found.push(message)
        }
      }
    }
    return answers
  }

  let waiting: Asked[] = []
  let last: Promise<unknown> = Promise.resolve()

  async function sendWaiting(): Promise<void> {
    const asked = waiting
    waiting = []
    try {
      const answers = await converse(asked)
      asked.forEach(({ resolve, reject }, i) => {
        const answer = answers[i]
        if (answer) {
          resolve(answer)
        } else {
          reject(new PluginError({ kind: 'wire', problem: 'a request has no answer' }))
        }
      })
    } catch (error) {
      for (const { reject } of asked) {
        reject(error)
      }
    }
  }

  /** Sends a request after all earlier ones. Requests made at the same time share one datagram: one trip to a thread. */
  const ask = (request: RtnlRequest, flags: number): Promise<Answer> =>
    new Promise((resolve, reject) => {
      waiting.push({ request, flags, resolve, reject })
      if (waiting.length === 1) {
        last = last.then(sendWaiting)
      }
    })

  /** Sends a request, and again while the kernel is busy. A refusal is an error, except for the errno `allowed`. */
  const insist = (request: RtnlRequest, flags: number, allowed?: number) =>
    retryWhileBusy(clock, async () => {
      const answer = await ask(request, flags)
      const { acknowledgement } = answer
      if (acknowledgement && acknowledgement.errno !== allowed) {
        throw refusal({ request, acknowledgement })
      }
      return answer
    })

  return {
    netnsPath,
    async find(request) {
      return (await insist(request, NLM_F_ACK, ENODEV)).found[0]
    },
    async dump(request) {
      for (let attempt = 1; ; attempt += 1) {
        const { found, wasInterrupted } = await insist(request, NLM_F_DUMP)
        if (attempt === MAX_DUMP_ATTEMPTS || !wasInterrupted) {
          return found
        }
      }
    },
    async change(request) {
      await insist(request, NLM_F_ACK)
    },
    async changeAll(requests) {
      let left = requests
      // An answer was lost: an object that exists now may be our own work.
      let isUnsure = false
      await retryWhileBusy(clock, async () => {
        const wasUnsure = isUnsure
        isUnsure = true
        const requests = left
        const answers = await Promise.all(requests.map((request) => ask(request, NLM_F_ACK)))
        isUnsure = wasUnsure
        const failures = requests.flatMap((request, i) => {
          const acknowledgement = answers[i]?.acknowledgement
          const error = acknowledgement && refusal({ request, acknowledgement })
          return !error || (wasUnsure && errnoOf(error) === 'EEXIST') ? [] : [{ request, error }]
        })
        left = failures.map(({ request }) => request)
        const worst = failures.find(({ error }) => !isBusy(error)) ?? failures[0]
        if (worst) {
          throw worst.error
        }
      })
    },
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  }
}

/** Opens a conversation in `netns`, or in the process's own namespace. @throws PluginError kind `kernel` */
export function openRtnl({ kernel, clock, log }: Pick<Host, 'kernel' | 'clock' | 'log'>, netns?: Netns): Rtnl {
  const socket = kernel.openRouteSocket(netns)
  const netnsPath = netns?.path ?? 'the host'
  return {
    ...converseBy(socket, netnsPath, { clock, log }),
    busInfo(interfaceName) {
      log.debug('ethtool request', {
        netns: netnsPath,
        operation: 'read the driver information',
        target: interfaceName,
      })
      return retryWhileBusy(clock, () => socket.busInfo(interfaceName))
    },
  }
}
