import { describe, expect, test } from 'vitest'
import { networkOf, parseCidr, parseIp, tryParseCidr, tryParseIp } from '../../../src/netlink/ip.js'
import { formatMac, isUnicastMac, parseMac } from '../../../src/netlink/mac.js'

describe('tryParseIp()', () => {
  test.each([
    ['10.1.0.5', '0a010005'],
    ['0.0.0.0', '00000000'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['2001:db8::5', '20010db8000000000000000000000005'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1::', `0001${'0'.repeat(28)}`],
    ['64:ff9b::192.0.2.1', `0064ff9b${'0'.repeat(16)}c0000201`],
    ['::ffff:10.1.0.5', '0a010005'],
    ['FE80::A', `fe80${'0'.repeat(27)}a`],
  ])('reads %s', (text, bytes) => {
    expect(tryParseIp(text)?.toString('hex')).toBe(bytes)
  })

  test.each([
    '',
    '10.1.0',
    '10.1.0.256',
    '10.1.0.05',
    '10.1.0.5.6',
    ' 10.1.0.5',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    'g::',
    '::1%eth0',
    '1.2.3.4::',
    '::1.2.3',
  ])('refuses %j', (text) => {
    expect(tryParseIp(text)).toBeUndefined()
    expect(() => parseIp(text)).toThrow('is not an IP address')
  })
})

test.each(['10.1.0.5', '10.1.0.5/', '10.1.0.5/33', '::1/129', '/24', '10.1.0.5/-1', '10.1.0.5/2 4', 'x/24'])(
  'tryParseCidr() refuses %j',
  (text) => {
    expect(tryParseCidr(text)).toBeUndefined()
    expect(() => parseCidr(text)).toThrow('is not an IP address')
  },
)

test.each([
  ['10.1.255.5/20', '0a01f000'],
  ['10.1.255.5/32', '0a01ff05'],
  ['10.1.255.5/0', '00000000'],
  ['2001:db8:ffff::5/36', '20010db8f00000000000000000000000'],
  ['2001:db8::5/128', '20010db8000000000000000000000005'],
])('networkOf() clears the host bits of %s', (cidr, bytes) => {
  expect(networkOf(parseCidr(cidr)).toString('hex')).toBe(bytes)
})

test('parseMac() reads colons and dashes in any case', () => {
  expect(parseMac('02:AA:bb:00:00:01')?.toString('hex')).toBe('02aabb000001')
  expect(parseMac('02-aa-bb-00-00-01')?.toString('hex')).toBe('02aabb000001')
})

test.each(['', '02:aa:bb:00:00', '02:aa:bb:00:00:01:02', '2:aa:bb:00:00:01', '02aabb000001', '02:aa:bb:00:00:0g'])(
  'parseMac() refuses %j',
  (text) => {
    expect(parseMac(text)).toBeUndefined()
  },
)

test('formatMac() writes lower case, and six bytes of a longer address', () => {
  expect(formatMac(Buffer.from('02AABB000001ffff', 'hex'))).toBe('02:aa:bb:00:00:01')
})

test('isUnicastMac() refuses multicast and zero', () => {
  const is = (hex: string) => isUnicastMac(Buffer.from(hex, 'hex'))
  expect([is('020000000001'), is('010000000001'), is('000000000000'), is('ffffffffffff')]).toEqual([
    true,
    false,
    false,
    false,
  ])
})
