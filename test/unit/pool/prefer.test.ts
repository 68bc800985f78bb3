import { describe, expect, test } from 'vitest'
import type { PoolDevice } from '../../../src/pool/devices/pools.js'
import { preferred } from '../../../src/pool/devices/prefer.js'

const CHOICE = { selectors: {}, isRdma: false, needsVhostNet: false }
const device = (address: string, pf: string, isLastChoice = false): PoolDevice => ({
  address,
  pf,
  choice: CHOICE,
  isComingHome: false,
  isLastChoice,
  isGiven: false,
})
/** Two PFs: a with four devices, b with three. */
const DEVICES = ['a0', 'a1', 'a2', 'a3', 'b0', 'b1', 'b2'].map((name) => device(name, name.slice(0, 1)))
const ALL = DEVICES.map(({ address }) => address)

describe('preferred devices', () => {
  test.each([
    [undefined, 2, ALL, [], ['a0', 'a1']],
    ['spread', 2, ALL, [], ['a0', 'b0']],
    ['spread', 3, ALL, [], ['a0', 'b0', 'a1']],
    ['spread', 2, ['a3', 'b0', 'b1'], [], ['b0', 'a3']],
    ['spread', 2, ALL, ['a2'], ['a2', 'b0']],
    ['pack', 2, ALL, [], ['b0', 'b1']],
    ['pack', 3, ['a0', 'b0', 'b1', 'b2'], [], ['b0', 'b1', 'b2']],
    ['pack', 4, ['a0', 'b0', 'b1', 'b2'], [], ['b0', 'b1', 'b2', 'a0']],
    ['pack', 2, ALL, ['a3'], ['a3', 'a0']],
    [undefined, 1, ['b2', 'a3'], [], ['a3']],
    [undefined, 9, ['b2', 'a3'], [], ['a3', 'b2']],
    [undefined, 1, ['gone'], [], []],
  ] as const)('%s, %i of %j with %j', (rule, size, available, mandatory, expected) => {
    expect(preferred(DEVICES, { available, mandatory, size }, rule)).toEqual(expected)
  })

  test('those that a call has left in the middle come last', () => {
    const devices = [device('a0', 'a', true), device('a1', 'a'), device('b0', 'b', true)]
    const available = ['a0', 'a1', 'b0']
    expect(preferred(devices, { available, mandatory: [], size: 2 }, 'spread')).toEqual(['a1', 'b0'])
  })
})
