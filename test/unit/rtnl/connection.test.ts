import { expect, test } from 'vitest'
import { PluginError } from '../../../src/errors.js'
import type { KernelPort } from '../../../src/host/ports.js'
import {
  NLM_F_ACK_TLVS,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLMSG_DONE,
  NLMSG_ERROR,
  RTM_NEWLINK,
} from '../../../src/netlink/constants.js'
import { decodeMessages, encodeMessages } from '../../../src/netlink/message.js'
import { openRtnl } from '../../../src/rtnl/connection.js'
import { hostOf } from '../../fakes/call.js'
import { makeMachine } from '../../fakes/machine/machine.js'

const REQUEST = { operation: 'list the interfaces', target: 'the host', type: 18, payload: Buffer.alloc(16) }

interface Reply {
  readonly type: number
  readonly flags: number
  readonly payload: Buffer
}

/** An answer that never comes: the socket says why. */
type Lost = string

/**
 * A conversation with a kernel that answers each datagram with the next of the given replies: a list for its only
 * request, or a list of lists for several.
 */
function talkTo(replies: readonly (readonly Reply[] | readonly (readonly Reply[])[] | Lost)[]) {
  const host = hostOf(makeMachine())
  const left = [...replies]
  const waiting: (Buffer | Lost)[] = []
  const kernel: KernelPort = {
    ...host.kernel,
    openRouteSocket: () => ({
      async send(bytes) {
        const next = left.shift() ?? []
        if (typeof next === 'string') {
          waiting.push(next)
          return
        }
        const lists = (Array.isArray(next[0]) ? next : [next]) as readonly (readonly Reply[])[]
        const answers = decodeMessages(bytes).flatMap(({ sequence }, i) =>
          (lists[i] ?? []).map((reply) => ({ ...reply, sequence, portId: 0 })),
        )
        waiting.push(encodeMessages(answers))
      },
      async busInfo() {
        return undefined
      },
      async receive() {
        const next = waiting.shift() ?? 'ETIMEDOUT'
        if (typeof next === 'string') {
          throw new PluginError({ kind: 'kernel', operation: 'receive', target: 'the socket', code: next })
        }
        return next
      },
      [Symbol.dispose]: () => undefined,
    }),
  }
  return openRtnl({ ...host, kernel })
}

const errno = (number: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(-number, 0)
  return bytes
}

const done = (flags: number, payload = errno(0)): Reply => ({ type: NLMSG_DONE, flags: flags | NLM_F_MULTI, payload })
const link = (flags: number): Reply => ({ type: RTM_NEWLINK, flags: flags | NLM_F_MULTI, payload: Buffer.alloc(16) })

const ack = (number: number): Reply => ({
  type: NLMSG_ERROR,
  flags: 0,
  payload: Buffer.concat([errno(number), Buffer.alloc(16)]),
})
const [EBUSY, EEXIST] = [16, 17]

test('dump() reports the errno with which the kernel ends a dump', async () => {
  const rtnl = talkTo([[done(NLM_F_ACK_TLVS, errno(22))]])
  await expect(rtnl.dump(REQUEST)).rejects.toThrow('Cannot list the interfaces on the host: EINVAL')
})

test('dump() asks again when the list changed under way', async () => {
  const rtnl = talkTo([
    [link(NLM_F_DUMP_INTR), done(NLM_F_DUMP_INTR)],
    [link(0), link(0), done(0)],
  ])
  expect(await rtnl.dump(REQUEST)).toHaveLength(2)
})

test('dump() asks again when the list changed just before its end', async () => {
  const rtnl = talkTo([
    [link(0), done(NLM_F_DUMP_INTR)],
    [link(0), link(0), done(0)],
  ])
  expect(await rtnl.dump(REQUEST)).toHaveLength(2)
})

test('dump() does with what it has when the list never comes to rest', async () => {
  const rtnl = talkTo(Array.from({ length: 50 }, () => [link(NLM_F_DUMP_INTR), done(NLM_F_DUMP_INTR)]))
  expect(await rtnl.dump(REQUEST)).toHaveLength(1)
})

test('change() asks again when the answer was lost', async () => {
  await talkTo(['ENOBUFS', [ack(0)]]).change(REQUEST)
  await expect(talkTo(Array.from({ length: 50 }, () => 'ENOBUFS')).change(REQUEST)).rejects.toThrow('ENOBUFS')
})

test('changeAll() repeats only what was busy', async () => {
  await talkTo([[[ack(0)], [ack(EBUSY)]], [[ack(0)]]]).changeAll([REQUEST, { ...REQUEST, target: 'the second' }])
})

test('changeAll() takes what exists for its own work only when an answer was lost', async () => {
  await expect(talkTo([[ack(EEXIST)]]).changeAll([REQUEST])).rejects.toThrow('EEXIST')
  await talkTo(['ENOBUFS', [ack(EEXIST)]]).changeAll([REQUEST])
})
