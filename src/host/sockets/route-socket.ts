import { closeSync } from 'node:fs'
import { PluginError } from '../../errors.js'
import { NETLINK_ROUTE } from '../../netlink/constants.js'
import { octetsOfName } from '../../netlink/name-bytes.js'
import { NETLINK_RDMA } from '../../netlink/rdma.js'
import { type Addon, orThrow } from '../addon.js'
import { errnoName } from '../errno.js'
import type { NetlinkSocket, Netns, RouteSocket } from '../ports.js'

/** The kernel answers every request before sendmsg(2) returns, but a driver may take long inside that call. */
const ANSWER_TIMEOUT_MS = 30_000

/** Errors of an interface that is gone (ENODEV), and of a driver that reports nothing (EOPNOTSUPP). */
const TELLS_NONE = new Set(['ENODEV', 'EOPNOTSUPP'])

const NOTHING = Buffer.alloc(0)

/** Returns the answer, or throws the errno in its place. @throws PluginError kind `kernel` */
function answerOrThrow(answer: Buffer | number): Buffer {
  if (typeof answer === 'number') {
    throw new PluginError({
      kind: 'kernel',
      operation: 'receive a netlink answer',
      target: 'the netlink socket',
      code: errnoName(-answer),
    })
  }
  return answer
}

/** Sends a request, unless it is empty, and receives the answers, or negative errno. */
export type Exchange = (fd: number, bytes: Buffer, timeoutMs: number) => Promise<Buffer | number> | Buffer | number

/** An open socket, with its descriptor. */
interface OpenedSocket extends NetlinkSocket {
  readonly fd: number
}

/**
 * Opens a netlink socket of a protocol in a namespace, by default in our own. A request and all its answers are one call
 * of the addon: the kernel works inside sendmsg(2), 16 ms and more for a move.
 * @throws PluginError kind `kernel`
 */
function openNetlinkSocket(addon: Addon, protocol: number, exchange: Exchange, netns?: Netns): OpenedSocket {
  const fd = orThrow(
    addon.openNetlinkSocket(netns?.fd ?? -1, protocol, 0),
    'open a netlink socket',
    netns?.path ?? 'the host',
  )
  let answers: Buffer | number | undefined
  return {
    fd,
    async send(bytes) {
      answers = await exchange(fd, bytes, ANSWER_TIMEOUT_MS)
    },
    async receive(timeoutMs) {
      const received = answers ?? (await exchange(fd, NOTHING, timeoutMs))
      answers = undefined
      return answerOrThrow(received)
    },
    [Symbol.dispose]() {
      closeSync(fd)
    },
  }
}

/** @throws PluginError kind `kernel` */
export function openRouteSocket(addon: Addon, exchange: Exchange, netns?: Netns): RouteSocket {
  const socket = openNetlinkSocket(addon, NETLINK_ROUTE, exchange, netns)
  return {
    ...socket,
    async busInfo(interfaceName) {
      const told = await addon.busInfo(socket.fd, octetsOfName(interfaceName))
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
  }
}

/**
 * Opens a socket of RDMA netlink in a namespace, by default in our own. Its requests are sent from within that namespace:
 * the kernel moves an RDMA device only for a thread that is where the device is (rdma_dev_change_netns() in
 * drivers/infiniband/core/device.c). @throws PluginError kind `kernel`
 */
export const openRdmaSocket = (addon: Addon, netns?: Netns): NetlinkSocket =>
  openNetlinkSocket(
    addon,
    NETLINK_RDMA,
    (fd, bytes, timeoutMs) => addon.exchangeWithin(netns?.fd ?? -1, fd, bytes, timeoutMs),
    netns,
  )
