import { describe, expect, test } from 'vitest'
import { encodeAttributes, textAttribute, u32Attribute } from '../../../src/netlink/attribute.js'
import { NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_ERROR } from '../../../src/netlink/constants.js'
import { decodeAcknowledgement, decodeMessages, encodeMessages, mayTakeLong } from '../../../src/netlink/message.js'
import { mutationsOf, prefixesOf, unexpectedErrors } from './damage.js'

const MESSAGES = [
  { type: 18, flags: 5, sequence: 7, portId: 0, payload: Buffer.from('abc') },
  { type: 16, flags: 0x605, sequence: 8, portId: 0x01020304, payload: Buffer.alloc(0) },
]

const BYTES = Buffer.from(
  '130000001200050007000000000000006162630010000000100005060800000004030201'.replace(/\s/g, ''),
  'hex',
)

const EBUSY = Buffer.from('f0ffffff', 'hex')
const REQUEST = encodeMessages([{ type: 19, flags: 5, sequence: 3, portId: 0, payload: Buffer.alloc(10, 1) }])
const DETAILS = encodeAttributes([textAttribute(1, 'firmware is busy'), u32Attribute(2, 44)])
const ack = (flags: number, ...parts: Buffer[]) => ({
  type: NLMSG_ERROR,
  flags,
  sequence: 3,
  portId: 0,
  payload: Buffer.concat(parts),
})

test('encodeMessages() writes headers and padding', () => {
  expect(encodeMessages(MESSAGES).toString('hex')).toBe(BYTES.toString('hex'))
})

test('decodeMessages() reads what encodeMessages() wrote', () => {
  expect(decodeMessages(BYTES)).toEqual(MESSAGES)
})

test('decodeMessages() throws nothing but kind wire at damaged bytes', () => {
  expect(unexpectedErrors([...prefixesOf(BYTES), ...mutationsOf(BYTES)], decodeMessages)).toEqual([])
  expect(() => decodeMessages(BYTES.subarray(0, 30))).toThrow('malformed')
})

describe('decodeAcknowledgement()', () => {
  test('reads success', () => {
    expect(decodeAcknowledgement(ack(0, Buffer.alloc(4), REQUEST)).errno === 0).toBe(true)
  })

  test('reads an errno without details', () => {
    expect(decodeAcknowledgement(ack(0, EBUSY, REQUEST))).toEqual({ errno: 16 })
  })

  test('reads details behind a capped request', () => {
    const message = ack(NLM_F_CAPPED | NLM_F_ACK_TLVS, EBUSY, REQUEST.subarray(0, 16), DETAILS)
    expect(decodeAcknowledgement(message)).toEqual({ errno: 16, text: 'firmware is busy', offset: 44 })
  })

  test('reads details behind the whole request', () => {
    expect(decodeAcknowledgement(ack(NLM_F_ACK_TLVS, EBUSY, REQUEST, DETAILS))).toMatchObject({
      errno: 16,
      text: 'firmware is busy',
    })
  })

  test('throws nothing but kind wire at damaged bytes', () => {
    for (const flags of [NLM_F_ACK_TLVS, NLM_F_CAPPED | NLM_F_ACK_TLVS, 0]) {
      const request = flags & NLM_F_CAPPED ? REQUEST.subarray(0, 16) : REQUEST
      const { payload } = ack(flags, EBUSY, request, DETAILS)
      const damaged = [...prefixesOf(payload), ...mutationsOf(payload)]
      expect(unexpectedErrors(damaged, (bytes) => decodeAcknowledgement(ack(flags, bytes)))).toEqual([])
    }
  })
})

test.each([
  ['a move, up or down', [16], true],
  ['the settings of a VF', [19], true],
  ['a look-up', [18], false],
  ['addresses, routes, alternative names', [20, 24, 108, 109], false],
  ['a change behind a look-up', [18, 22, 16], true],
])('mayTakeLong() says of %s: %j, %j', (_what, types, isLong) => {
  const messages = types.map((type) => ({ type, flags: 5, sequence: 1, portId: 0, payload: Buffer.from('odd') }))
  expect(mayTakeLong(encodeMessages(messages))).toBe(isLong)
})
