import { expect, test } from 'vitest'
import {
  align4,
  cString,
  decodeAttributes,
  encodeAttributes,
  findAttribute,
  nestedAttribute,
  textAttribute,
  textOf,
  u32Attribute,
  u32Of,
} from '../../../src/netlink/attribute.js'
import { mutationsOf, prefixesOf, unexpectedErrors } from './damage.js'

const ATTRIBUTES = [
  textAttribute(3, 'eth0'),
  u32Attribute(4, 1500),
  { type: 0x3abc, payload: Buffer.from('new') },
  nestedAttribute(22, [u32Attribute(1, 7)]),
]

const BYTES = Buffer.from(
  ['0900', '0300', '65746830', '00', '000000', '0800', '0400', 'dc050000', '0700', 'bc3a', '6e6577', '00'].join('') +
    '0c00168008000100' +
    '07000000',
  'hex',
)

test('encodeAttributes() pads to four bytes and marks nested ones', () => {
  expect(encodeAttributes(ATTRIBUTES)).toEqual(BYTES)
})

test('decodeAttributes() reads what encodeAttributes() wrote, unknown ones and flag bits included', () => {
  expect(decodeAttributes(BYTES)).toEqual(ATTRIBUTES)
})

test('findAttribute() looks past the flag bits', () => {
  expect(findAttribute(ATTRIBUTES, 22)).toBe(ATTRIBUTES[3])
  expect(findAttribute(ATTRIBUTES, 23)).toBeUndefined()
})

test('u32Of() and textOf() read values, and are undefined for absent ones', () => {
  expect([u32Of(ATTRIBUTES, 4), u32Of(ATTRIBUTES, 5)]).toEqual([1500, undefined])
  expect([textOf(ATTRIBUTES, 3), textOf(ATTRIBUTES, 5)]).toEqual(['eth0', undefined])
})

test('cString() stops at the first NUL, or at the end', () => {
  expect(cString(Buffer.from('ab\0cd'))).toBe('ab')
  expect(cString(Buffer.from('ab'))).toBe('ab')
})

test('align4() rounds up to four', () => {
  expect([0, 1, 4, 5, 65533].map(align4)).toEqual([0, 4, 4, 8, 65536])
})

test('encodeAttributes() takes the longest attribute there can be', () => {
  const longest = { type: 1, payload: Buffer.alloc(65531, 1) }
  expect(decodeAttributes(encodeAttributes([longest]))).toEqual([longest])
})

test('decodeAttributes() throws nothing but kind wire at damaged bytes', () => {
  const decode = (bytes: Buffer) => decodeAttributes(bytes).map(({ payload }) => decodeAttributes(payload))
  expect(unexpectedErrors([...prefixesOf(BYTES), ...mutationsOf(BYTES)], decode)).toEqual([])
  expect(() => decodeAttributes(Buffer.from('0300010000000000', 'hex'))).toThrow('malformed')
})
