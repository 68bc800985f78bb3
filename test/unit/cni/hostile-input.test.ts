import { describe, expect, test } from 'vitest'
import { readCall } from '../../../src/cni/call.js'
import { parseJsonObject } from '../../../src/cni/json.js'
import { PluginError } from '../../../src/errors.js'
import { parseConf } from '../../fakes/parse.js'

const MANY = 100_000
const manyOf = (entry: unknown) => Array.from({ length: MANY }, () => entry)
const manyKeys = (prefix: string) => Object.fromEntries(manyOf(1).map((value, i) => [`${prefix}${i}`, value]))
const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`

describe('a configuration that is made to hurt', () => {
  test('with as many unknown keys as fit is warned of in a few words', () => {
    const { warnings, issues } = parseConf(manyKeys('vlan'))
    expect(issues).toEqual([])
    expect(warnings.length).toBeLessThanOrEqual(20)
  })

  test.each([
    ['GC’s list', { 'cni.dev/valid-attachments': manyOf(7) }, ['cni.dev/valid-attachments']],
    ['runtimeConfig.ips', { runtimeConfig: { ips: manyOf(7) } }, ['runtimeConfig.ips']],
    ['a list of selectors', { deviceID: null, selectors: { pciAddresses: manyOf('x') } }, ['selectors.pciAddresses']],
  ])('with a wrong entry as often as fits in %s is one issue, in a few words', (_what, conf, keys) => {
    const { issues } = parseConf(conf)
    expect(issues.map(({ key }) => key)).toEqual(keys)
    expect(JSON.stringify(issues).length).toBeLessThan(500)
  })

  test('with as many unknown selectors as fit names some of them', () => {
    const { issues } = parseConf({ deviceID: null, selectors: manyKeys('driver') })
    expect(issues.length).toBeGreaterThan(0)
    expect(JSON.stringify(issues).length).toBeLessThan(2000)
  })

  test('with a value as long as fits shows the beginning of it', () => {
    const { issues } = parseConf({ ipam: { type: `/${'x'.repeat(900_000)}` }, mac: 'y'.repeat(900_000) })
    expect(issues.map(({ key }) => key).sort()).toEqual(['ipam.type', 'mac'])
    expect(JSON.stringify(issues).length).toBeLessThan(1000)
  })

  test.each([
    ['lists', nested(1001)],
    ['lists by the hundred thousand', nested(MANY)],
    ['lists that do not end', '{"a":'.repeat(MANY)],
  ])('that is nested deeper than anything is: %s', (_what, text) => {
    expect(() => parseJsonObject(text, 'the configuration')).toThrow(
      'the configuration: it is nested deeper than 1000 levels',
    )
  })

  test('nested as deep as is allowed is read, brackets in strings count for nothing', () => {
    expect(parseJsonObject(nested(999), 'it')).toHaveProperty('a')
    const text = JSON.stringify({ a: '[{"'.repeat(MANY), b: '\\"['.repeat(MANY) })
    expect(Object.keys(parseJsonObject(text, 'it'))).toEqual(['a', 'b'])
  })

  test('with a string of 50 MB is read', () => {
    expect(parseJsonObject(JSON.stringify({ a: '\\'.repeat(25_000_000) }), 'it')).toHaveProperty('a')
  })

  test('is a decoding error of the whole call', () => {
    const environment = { CNI_CONTAINERID: 'c', CNI_NETNS: '/n', CNI_IFNAME: 'net1', CNI_PATH: '/p' }
    const call = () => readCall('ADD', environment, () => `{"cniVersion":"1.0.0","name":${nested(MANY)}}`)
    expect(call).toThrow(PluginError)
    expect(call).toThrow(expect.objectContaining({ fault: expect.objectContaining({ kind: 'decode' }) }))
  })
})

describe('ipam', () => {
  test('that is this plugin itself is refused: it would wait for itself', () => {
    expect(parseConf({ type: 'sriov', ipam: { type: 'sriov' } }).issues).toEqual([
      { key: 'ipam.type', problem: 'must be an IPAM plugin: "sriov" is this plugin, which gives no addresses' },
    ])
  })
})
