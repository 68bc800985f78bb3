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
  close(): void
}

interface Refused {
  readonly request: RtnlRequest
  readonly acknowledgement: Acknowledgement
}

/** The answers to each request, and what was refused, in order. */
interface Conversation {
  readonly answers: NetlinkMessage[][]
  readonly refused: readonly Refused[]
  /** What was listed changed under way (NLM_F_DUMP_INTR). */
  readonly wasInterrupted: boolean
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
  async function converse(requests: readonly RtnlRequest[], flags: number): Promise<Conversation> {
    const first = sequence + 1
    sequence += requests.length
    for (const { operation, target, type, trace } of requests) {
      log.debug('netlink request', { netns: netnsPath, type, operation, target, ...trace })
    }
    await socket.send(
      encodeMessages(
        requests.map((request, i) => ({
          type: request.type,
          flags: NLM_F_REQUEST | flags | (request.flags ?? 0),
          sequence: first + i,
          portId: 0,
          payload: request.payload,
        })),
      ),
    )
    const answers: NetlinkMessage[][] = requests.map(() => [])
    const refused: Refused[] = []
    let wasInterrupted = false
    let open = requests.length
    while (open > 0) {
      for (const message of decodeMessages(await socket.receive(ANSWER_TIMEOUT_MS))) {
        const i = message.sequence - first
        const request = requests[i]
        if (!request || message.type === NLMSG_NOOP) {
          continue
        }
        wasInterrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0 && message.type !== NLMSG_ERROR
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          open -= 1
          const acknowledgement = message.type === NLMSG_ERROR ? decodeAcknowledgement(message) : endOfDump(message)
          if (acknowledgement.errno !== 0) {
            refused.push({ request, acknowledgement })
          }
        } else {
          answers[i]?.push(message)
        }
      }
    }
    return { answers, refused, wasInterrupted }
  }

  /** The same with one request, where a refusal is an error, but for the errno that is `allowed`. */
  const insist = (request: RtnlRequest, flags: number, allowed?: number) =>
    retryWhileBusy(clock, async () => {
      const { answers, refused, wasInterrupted } = await converse([request], flags)
      const [first] = refused
      if (first && first.acknowledgement.errno !== allowed) {
        throw refusal(first)
      }
      return { found: answers[0] ?? [], wasInterrupted }
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
        if (left.length === 0) {
          return
        }
        const wasUnsure = isUnsure
        isUnsure = true
        const { refused } = await converse(left, NLM_F_ACK)
        isUnsure = wasUnsure
        const failures = refused
          .map((one) => ({ request: one.request, error: refusal(one) }))
          .filter(({ error }) => !(wasUnsure && errnoOf(error) === 'EEXIST'))
        left = failures.map(({ request }) => request)
        const worst = failures.find(({ error }) => !isBusy(error)) ?? failures[0]
        if (worst) {
          throw worst.error
        }
      })
    },
    close: () => socket.close(),
  }
}
