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

/** Some PF drivers answer EBUSY or EAGAIN while their firmware works on another request. */
const BUSY_PAUSES_MS = [5, 10, 20, 50, 100, 200, 400, 800] as const
/** include/uapi/asm-generic/errno-base.h. Looked at before there is an error: a name that is free is the usual case. */
const ENODEV = 19

const BUSY = new Set(['EBUSY', 'EAGAIN'])

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

/** An rtnetlink conversation in one network namespace. */
export interface Rtnl {
  readonly netnsPath: string
  /** Asks for one object; undefined when there is none of that name or index (ENODEV). @throws PluginError kind `kernel` */
  find(request: RtnlRequest): Promise<NetlinkMessage | undefined>
  /** Asks for all objects. @throws PluginError kind `kernel` */
  dump(request: RtnlRequest): Promise<NetlinkMessage[]>
  /** Makes one change; tries again while the driver is busy. @throws PluginError kind `kernel` with the driver's words */
  change(request: RtnlRequest): Promise<void>
  /** Makes changes in order, sent in one datagram. @throws PluginError kind `kernel` for the first one refused */
  changeAll(requests: readonly RtnlRequest[]): Promise<void>
  close(): void
}

interface Refused {
  readonly request: RtnlRequest
  readonly acknowledgement: Acknowledgement
}

/** The answers to each request, and the first refusal. */
interface Conversation {
  readonly answers: NetlinkMessage[][]
  readonly refused: Refused | undefined
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
      if (!BUSY.has(errnoOf(error) ?? '')) {
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
    socket.send(
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
    let refused: Refused | undefined
    let open = requests.length
    while (open > 0) {
      for (const message of decodeMessages(await socket.receive(ANSWER_TIMEOUT_MS))) {
        const i = message.sequence - first
        const request = requests[i]
        if (!request || message.type === NLMSG_NOOP) {
          continue
        }
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          open -= 1
          const acknowledgement = message.type === NLMSG_ERROR ? decodeAcknowledgement(message) : endOfDump(message)
          if (acknowledgement.errno !== 0) {
            refused ??= { request, acknowledgement }
          }
        } else {
          answers[i]?.push(message)
        }
      }
    }
    return { answers, refused }
  }

  /** The same, where a refusal is an error. */
  async function insist(requests: readonly RtnlRequest[], flags: number): Promise<NetlinkMessage[][]> {
    const { answers, refused } = await converse(requests, flags)
    if (refused) {
      throw refusal(refused)
    }
    return answers
  }

  return {
    netnsPath,
    async find(request) {
      const { answers, refused } = await converse([request], NLM_F_ACK)
      if (refused && refused.acknowledgement.errno !== ENODEV) {
        throw refusal(refused)
      }
      return answers[0]?.[0]
    },
    async dump(request) {
      for (let attempt = 1; ; attempt += 1) {
        const messages = (await insist([request], NLM_F_DUMP))[0] ?? []
        if (attempt === MAX_DUMP_ATTEMPTS || !messages.some(({ flags }) => flags & NLM_F_DUMP_INTR)) {
          return messages
        }
      }
    },
    async change(request) {
      await retryWhileBusy(clock, () => insist([request], NLM_F_ACK))
    },
    async changeAll(requests) {
      if (requests.length > 0) {
        await insist(requests, NLM_F_ACK)
      }
    },
    close: () => socket.close(),
  }
}
