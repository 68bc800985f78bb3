import { describe, expect, test } from 'vitest'
import { bytesOfName, nameOfOctets, octetsOf, octetsOfName, textOfName } from '../../../src/netlink/name-bytes.js'

const NAMES: readonly (readonly [string, Buffer, string])[] = [
  ['ASCII', Buffer.from('ens1f0v3'), 'ens1f0v3'],
  ['UTF-8', Buffer.from('größe'), 'größe'],
  ['UTF-8 beyond 16 bits', Buffer.from('a😀'), 'a😀'],
  ['no UTF-8', Buffer.from([0xff, 0xfe]), '\uf7ff\uf7fe'],
  ['ASCII and half a character', Buffer.from([0x61, 0xc3]), 'a\uf7c3'],
  ['a character that stands for a byte', Buffer.from('\uf7ff'), '\uf7ef\uf79f\uf7bf'],
]

describe('a name of', () => {
  test.each(NAMES)('%s is a text, and its bytes again', (_kind, bytes, text) => {
    expect(textOfName(bytes)).toBe(text)
    expect(bytesOfName(text)).toEqual(bytes)
    expect(nameOfOctets(bytes.toString('latin1'))).toBe(text)
    expect(octetsOfName(`/sys/class/net/${text}/mtu`)).toBe(`/sys/class/net/${bytes.toString('latin1')}/mtu`)
  })
})

test('any two bytes have a text of their own', () => {
  const texts = new Set<string>()
  for (let high = 0; high < 256; high += 1) {
    for (let low = 0; low < 256; low += 1) {
      const bytes = Buffer.from([high, low])
      const text = textOfName(bytes)
      expect(bytesOfName(text).equals(bytes)).toBe(true)
      texts.add(text)
    }
  }
  expect(texts.size).toBe(65_536)
})

test('octetsOf() has a character for each byte of UTF-8', () => {
  expect(octetsOf('/ä/\uf7ff')).toBe(Buffer.from('/ä/\uf7ff').toString('latin1'))
})
