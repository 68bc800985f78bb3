import { expect, test } from 'vitest'
import {
  addAddressMessage,
  addressOf,
  decodeAddressMessage,
  encodeAddressMessage,
} from '../../../src/netlink/address.js'
import { mutationsOf, prefixesOf, unexpectedErrors } from './damage.js'

const encode = (ip: string, prefixLength: number, flags = 0) =>
  encodeAddressMessage(addAddressMessage(3, { ip, prefixLength, flags }))

test('addAddressMessage() writes an IPv4 address with its broadcast address', () => {
  expect(encode('10.1.0.5', 24).toString('hex')).toBe(
    '0218000003000000' + '080002000a010005' + '080001000a010005' + '080004000a0100ff' + '0800080000000000',
  )
})

test.each([
  ['10.1.0.5', 30, '0a010007'],
  ['10.1.0.5', 8, '0affffff'],
  ['10.1.0.5', 0, 'ffffffff'],
  ['10.1.0.4', 31, undefined],
  ['10.1.0.4', 32, undefined],
  ['2001:db8::5', 64, undefined],
])('addAddressMessage() gives %s/%i the broadcast address %s', (ip, prefixLength, broadcast) => {
  const { attributes } = addAddressMessage(3, { ip, prefixLength, flags: 0 })
  expect(attributes.find(({ type }) => type === 4)?.payload.toString('hex')).toBe(broadcast)
})

test('addressOf() reads what addAddressMessage() wrote', () => {
  const address = addressOf(decodeAddressMessage(encode('2001:db8::5', 64, 4)))
  expect(address).toMatchObject({ interfaceIndex: 3, prefixLength: 64, flags: 4 })
  expect(address?.bytes.toString('hex')).toBe('20010db8000000000000000000000005')
})

test('addressOf() prefers the flags of 32 bits and the local address of a point-to-point link', () => {
  const header = { family: 2, prefixLength: 32, flags: 0x80, scope: 0, interfaceIndex: 1 }
  const peer = { type: 1, payload: Buffer.from([10, 0, 0, 2]) }
  const local = { type: 2, payload: Buffer.from([10, 0, 0, 1]) }
  const flags = { type: 8, payload: Buffer.from([0x80, 2, 0, 0]) }
  expect(addressOf({ ...header, attributes: [peer, local, flags] })).toMatchObject({
    bytes: local.payload,
    flags: 0x280,
  })
  expect(addressOf({ ...header, attributes: [peer] })).toMatchObject({ bytes: peer.payload, flags: 0x80 })
  expect(addressOf({ ...header, attributes: [] })).toBeUndefined()
})

test('addressOf() throws nothing but kind wire at damaged bytes', () => {
  const bytes = encode('2001:db8::5', 64, 4)
  const decode = (damaged: Buffer) => addressOf(decodeAddressMessage(damaged))
  expect(unexpectedErrors([...prefixesOf(bytes), ...mutationsOf(bytes)], decode)).toEqual([])
})
