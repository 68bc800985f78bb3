import { expect, test } from 'vitest'
import { ifNameProblem, isIdentifier, parseArgs, parseExtraArgs, VERBS } from '../../../src/cni/args.js'

const SPACES = [
  9, 10, 11, 12, 13, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2005, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
]
const ENVIRONMENT = { CNI_CONTAINERID: 'a', CNI_NETNS: '/n', CNI_IFNAME: 'net1', CNI_PATH: '/a::/b:' }

test.each(SPACES)('ifNameProblem() refuses the Unicode space %i', (code) => {
  expect(ifNameProblem(`a${String.fromCodePoint(code)}`)).toBeDefined()
})

test.each(['', '.', '..', 'a/b', 'a:b', 'a'.repeat(16), 'ü'.repeat(8)])('ifNameProblem() refuses %j', (name) => {
  expect(ifNameProblem(name)).toBeDefined()
})

test.each(['a', 'a'.repeat(15), 'ü'.repeat(7), '\ufeff', '\u200b', '...', '-', 'eth0.100'])(
  'ifNameProblem() accepts %j',
  (name) => {
    expect(ifNameProblem(name)).toBeUndefined()
  },
)

test.each([
  ['a', true],
  ['A-1_.z', true],
  ['0', true],
  ['', false],
  ['-a', false],
  ['_a', false],
  ['a/b', false],
  ['a\n', false],
  ['ä', false],
])('isIdentifier() says of %j: %s', (text, is) => {
  expect(isIdentifier(text)).toBe(is)
})

test('parseExtraArgs() splits at the first equals sign, and the last value that is not empty wins', () => {
  expect({ ...parseExtraArgs('A=1;;B=x=y;A=2;A=;=3;C;D= ') }).toEqual({ A: '2', B: 'x=y', D: ' ' })
})

test('parseExtraArgs() is not confused by names of object properties', () => {
  expect(parseExtraArgs('__proto__=1;constructor=2').constructor).toBe('2')
  expect(parseExtraArgs('').toString).toBeUndefined()
})

test('parseArgs() reads the environment', () => {
  expect(parseArgs(VERBS.ADD, { ...ENVIRONMENT, CNI_ARGS: 'IgnoreUnknown=1' })).toMatchObject({
    containerId: 'a',
    netnsPath: '/n',
    ifName: 'net1',
    extra: { IgnoreUnknown: '1' },
  })
})

test('parseArgs() refuses a state file name of more than 255 bytes', () => {
  const withId = (length: number) => ({ ...ENVIRONMENT, CNI_CONTAINERID: 'a'.repeat(length) })
  expect(parseArgs(VERBS.ADD, withId(250)).containerId).toHaveLength(250)
  expect(() => parseArgs(VERBS.ADD, withId(251))).toThrow('256 bytes')
})

test('parseArgs() leaves room beside a record for the name it has when it is put aside', () => {
  const { containerId, ifName } = parseArgs(VERBS.ADD, { ...ENVIRONMENT, CNI_CONTAINERID: 'a'.repeat(250) })
  expect(`${containerId}-${ifName}`).toHaveLength(255)
})
