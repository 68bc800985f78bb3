import { expect, test } from 'vitest'
import type { KernelPort } from '../../../src/host/ports.js'
import {
  NLM_F_ACK_TLVS,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLMSG_DONE,
  RTM_NEWLINK,
} from '../../../src/netlink/constants.js'
import { decodeMessages, encodeMessages } from '../../../src/netlink/message.js'
import { openRtnl } from '../../../src/rtnl/connection.js'
import { hostOf } from '../../fakes/call.js'
import { makeMachine } from '../../fakes/machine.js'

const REQUEST = { operation: 'list the interfaces', target: 'the host', type: 18, payload: Buffer.alloc(16) }

interface Reply {
  readonly type: number
  readonly flags: number
  readonly payload: Buffer
}

/** A conversation with a kernel that answers each request with the next of the given replies. */
function talkTo(replies: readonly (readonly Reply[])[]) {
  const host = hostOf(makeMachine())
  const left = [...replies]
  const waiting: Buffer[] = []
  const kernel: KernelPort = {
    ...host.kernel,
    openRouteSocket: () => ({
      send(bytes) {
        const sequence = decodeMessages(bytes)[0]?.sequence ?? 0
        waiting.push(encodeMessages((left.shift() ?? []).map((reply) => ({ ...reply, sequence, portId: 0 }))))
      },
      receive: async () => waiting.shift() ?? Buffer.alloc(0),
      close: () => undefined,
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
