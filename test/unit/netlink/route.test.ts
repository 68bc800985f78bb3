import { expect, test } from 'vitest'
import { networkOf, parseCidr, parseIp } from '../../../src/netlink/ip.js'
import { addRouteMessage, decodeRouteMessage, encodeRouteMessage, type Route } from '../../../src/netlink/route.js'
import { mutationsOf, prefixesOf, unexpectedErrors } from './damage.js'

function route(dst: string, more: Partial<Route> = {}): Route {
  const cidr = parseCidr(dst)
  return { destination: networkOf(cidr), prefixLength: cidr.prefixLength, interfaceIndex: 3, ...more }
}

const FULL = route('10.9.9.9/16', {
  gateway: parseIp('10.1.0.1'),
  mtu: 1400,
  advmss: 1360,
  priority: 50,
  table: 1000,
})

test('addRouteMessage() writes every key of CNI 1.1.0', () => {
  expect(encodeRouteMessage(addRouteMessage(FULL)).toString('hex')).toBe(
    '021000000003000100000000' +
      '080001000a090000' +
      '080005000a010001' +
      '0800040003000000' +
      '0800060032000000' +
      '08000f00e8030000' +
      '140008800800020078050000' +
      '0800080050050000',
  )
})

test.each([
  ['0.0.0.0/0', {}, { table: 254, scope: 253, family: 2 }],
  ['0.0.0.0/0', { gateway: parseIp('10.1.0.1') }, { table: 254, scope: 0 }],
  ['::/0', {}, { table: 254, scope: 0, family: 10 }],
  ['10.0.0.0/8', { scope: 200, table: 100 }, { table: 100, scope: 200 }],
])('addRouteMessage() gives %s with %o the header %o', (dst, more, header) => {
  expect(addRouteMessage(route(dst, more))).toMatchObject(header)
})

test('addRouteMessage() names no destination for a default route', () => {
  expect(addRouteMessage(route('::/0')).attributes.map(({ type }) => type)).toEqual([4])
})

test('decodeRouteMessage() reads what encodeRouteMessage() wrote', () => {
  expect(decodeRouteMessage(encodeRouteMessage(addRouteMessage(FULL)))).toEqual(addRouteMessage(FULL))
})

test('decodeRouteMessage() throws nothing but kind wire at damaged bytes', () => {
  const bytes = encodeRouteMessage(addRouteMessage(FULL))
  expect(unexpectedErrors([...prefixesOf(bytes), ...mutationsOf(bytes)], decodeRouteMessage)).toEqual([])
})
