import { errnoOf, PluginError } from '../errors.js'
import { errnoName } from '../host/errno.js'
import type { ClockPort, Host, Netns } from '../host/ports.js'
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

/** The kernel answers in microseconds; a driver that resets its VF takes longer, and RTNL may be contended. */
const ANSWER_TIMEOUT_MS = 30_000

/** A dump that changed under way is asked for again (NLM_F_DUMP_INTR). */
const MAX_DUMP_ATTEMPTS = 10

/** Some PF drivers answer EBUSY or EAGAIN while their firmware works on another request; a socket may be short of memory. */
const BUSY_PAUSES_MS = [5, 10, 20, 50, 100, 200, 400, 800] as const
const BUSY = new Set(['EBUSY', 'EAGAIN', 'EINTR', 'ENOBUFS'])

/** include/uapi/asm-generic/errno-base.h. Looked at before there is an error: a name that is free is the usual case. */
const ENODEV = 19

/** Whether the kernel said that another try may do. */
export const isBusy = (error: unknown): boolean => BUSY.has(errnoOf(error) ?? '')

/** A request: what to do, on what (both for the error message), and the bytes behind the netlink header. */
export interface RtnlRequest {
  readonly operation: string
  readonly target: string
  readonly driver?: string
  readonly type: number
  readonly flags?: number
  readonly payload: Buffer
  /** Facts for the trace. */
  readonly trace?: Readonly<Record<string, unknown>>
}

/** An rtnetlink conversation in one network namespace. Whatever is asked, it is asked again for 1.6 s while the kernel is busy. */
export interface Rtnl {
  readonly netnsPath: string
  /** Asks for one object; undefined when there is none of that name or index (ENODEV). @throws PluginError kind `kernel` */
  find(request: RtnlRequest): Promise<NetlinkMessage | undefined>
  /** Asks for all objects; again when they changed under way. @throws PluginError kind `kernel` */
  dump(request: RtnlRequest): Promise<NetlinkMessage[]>
  /** Makes one change. @throws PluginError kind `kernel` with the driver's words */
  change(request: RtnlRequest): Promise<void>
  /** Makes changes, sent in one datagram and carried out in order. @throws PluginError kind `kernel` for the first one refused */
  changeAll(requests: readonly RtnlRequest[]): Promise<void>
  /** What the driver of an interface tells ethtool of its bus address: see RouteSocket. @throws PluginError kind `kernel` */
  busInfo(interfaceName: string): Promise<string | undefined>
  close(): void
}

interface Refused {
  readonly request: RtnlRequest
  readonly acknowledgement: Acknowledgement
}

/** What came for one request. */
interface Answer {
  readonly found: NetlinkMessage[]
  /** Of a request that was refused. */
  acknowledgement?: Acknowledgement
  /** What was listed changed under way (NLM_F_DUMP_INTR). */
  wasInterrupted: boolean
}

/** A request on its way, with flags beside its own. */
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

/** An NLMSG_DONE: a dump that failed half-way has its errno here, without the request behind it. */
const endOfDump = ({ payload }: NetlinkMessage): Acknowledgement => ({
  errno: payload.length >= 4 ? 0 - payload.readInt32LE(0) : 0,
})

async function retryWhileBusy<T>(clock: ClockPort, attempt: () => Promise<T>): Promise<T> {
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

/** Opens a conversation in a namespace, or in our own. @throws PluginError kind `kernel` */
export function openRtnl({ kernel, clock, log }: Pick<Host, 'kernel' | 'clock' | 'log'>, netns?: Netns): Rtnl {
  const socket = kernel.openRouteSocket(netns)
  const netnsPath = netns?.path ?? 'the host'
  let sequence = 0

  /** Sends requests together and collects the answers of each until its acknowledgement or the end of its dump. */
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

  /**
   * Asks, after whatever was asked before. What is asked for at the same time travels in one datagram, which the kernel
   * works through in order: a system call less for each, and in the resident process a trip to a thread.
   */
  const ask = (request: RtnlRequest, flags: number): Promise<Answer> =>
    new Promise((resolve, reject) => {
      waiting.push({ request, flags, resolve, reject })
      if (waiting.length === 1) {
        last = last.then(sendWaiting)
      }
    })

  /** The same, where a refusal is an error, but for the errno that is `allowed`. */
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
      /** An answer was lost: what exists now may be our own work. */
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
    busInfo(interfaceName) {
      log.debug('ethtool request', {
        netns: netnsPath,
        operation: 'read the driver information',
        target: interfaceName,
      })
      return retryWhileBusy(clock, () => socket.busInfo(interfaceName))
    },
    close: () => socket.close(),
  }
}
