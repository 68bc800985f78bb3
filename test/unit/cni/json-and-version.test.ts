import { expect, test } from 'vitest'
import { foldKeys, keyTable, parseJsonObject, suggestKey, valueAt } from '../../../src/cni/json.js'
import { isAtLeast, isSupported, parseVersion, requireSupported } from '../../../src/cni/version.js'

test('foldKeys() matches in any case, the last one wins, null unsets', () => {
  const { known, unknown } = foldKeys(
    JSON.parse('{"NAME":"a","name":"b","Type":"x","TYPE":null,"other":1}'),
    keyTable(['name', 'type']),
  )
  expect([...known]).toEqual([['name', 'b']])
  expect(unknown).toEqual(['other'])
})

test('valueAt() reads a key of anything', () => {
  expect([valueAt({ Mac: 1 }, 'mac'), valueAt(null, 'mac'), valueAt([1], '0'), valueAt('x', 'length')]).toEqual([
    1,
    undefined,
    undefined,
    undefined,
  ])
})

test.each(['', ' ', '[]', '"x"', '1', 'true', '{} x', '{}{}', '\ufeff{}', '{', 'nul', "{'a':1}", '{"a":1,}'])(
  'parseJsonObject() refuses %j',
  (text) => {
    expect(() => parseJsonObject(text, 'it')).toThrow(/^it: /)
  },
)

test('parseJsonObject() takes null for the empty object', () => {
  expect(parseJsonObject(' null\n', 'it')).toEqual({})
})

test('parseJsonObject() keeps __proto__ a plain key', () => {
  expect(foldKeys(parseJsonObject('{"__proto__":{"name":"x"}}', 'it'), keyTable(['name'])).known.size).toBe(0)
})

test.each([
  ['max-tx-rate', 'max_tx_rate'],
  ['maxTxRate', 'max_tx_rate'],
  ['max_tx_rat', 'max_tx_rate'],
  ['max_tx_raet', 'max_tx_rate'],
  ['xvlan', 'vlan'],
  ['vlna', 'vlan'],
  ['map', undefined],
  ['mtux', undefined],
  ['bandwidth', undefined],
])('suggestKey() for %s is %s', (unknown, suggestion) => {
  expect(suggestKey(unknown, ['mac', 'mtu', 'vlan', 'max_tx_rate'])).toBe(suggestion)
})

test.each(['x.0.0', '1.0.0.0', '', '1..0', '1.0.', 'v1.0.0', '1.0.0-rc1', ' 1'])(
  'parseVersion() refuses %j',
  (text) => {
    expect(() => parseVersion(text)).toThrow()
  },
)

test.each([
  ['1.0.0', '0.4.0', true],
  ['0.4.0', '0.4.0', true],
  ['0.3.1', '0.4.0', false],
  ['0.10.0', '0.9.0', true],
  ['1.1', '1.1.0', true],
  ['1', '1.1.0', false],
])('isAtLeast() says %s >= %s is %s', (left, right, is) => {
  expect(isAtLeast(left, right)).toBe(is)
})

test.each(['1.0', '1.1.0 ', 'v1.0.0', '0.-42.0', '9.9.9', ''])('isSupported() refuses %j', (version) => {
  expect(isSupported(version)).toBe(false)
  expect(() => requireSupported(version)).toThrow('incompatible CNI versions')
})
