import { describe, expect, test } from 'vitest'
import { type CniResult, parseResult, readResult, resultDocument } from '../../../src/cni/result.js'
import { SUPPORTED_VERSIONS } from '../../../src/cni/version.js'

const RESULT: CniResult = {
  interfaces: [{ name: 'net1', mac: '02:00:00:00:00:01', mtu: 1500, sandbox: '/n', pciID: '0000:01:10.0' }],
  ips: [
    { address: '10.1.0.5/24', gateway: '10.1.0.1', interface: 0 },
    { address: '2001:db8::5/64', interface: 0 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.1.0.1', mtu: 1400, advmss: 1360, priority: 5, table: 100, scope: 0 },
    { dst: '::/0' },
  ],
  dns: { nameservers: ['10.1.0.1'] },
}
const LAYER_2: CniResult = { ...RESULT, ips: [], routes: [], dns: {} }
const OLD_INTERFACE = { name: 'net1', mac: '02:00:00:00:00:01', sandbox: '/n' }
const OLD_ROUTES = [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }, { dst: '::/0' }]

describe('resultDocument()', () => {
  test.each(['0.1.0', '0.2.0'] as const)('writes %s', (cniVersion) => {
    expect(resultDocument(RESULT, cniVersion)).toEqual({
      cniVersion,
      ip4: { ip: '10.1.0.5/24', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }] },
      ip6: { ip: '2001:db8::5/64', routes: [{ dst: '::/0' }] },
      dns: RESULT.dns,
    })
    expect(resultDocument(LAYER_2, cniVersion)).toEqual({ cniVersion })
  })

  test.each(['0.3.0', '0.3.1', '0.4.0'] as const)('writes %s', (cniVersion) => {
    expect(resultDocument(RESULT, cniVersion)).toEqual({
      cniVersion,
      interfaces: [OLD_INTERFACE],
      ips: [
        { version: '4', ...RESULT.ips[0] },
        { version: '6', ...RESULT.ips[1] },
      ],
      routes: OLD_ROUTES,
      dns: RESULT.dns,
    })
  })

  test('writes 1.0.0', () => {
    expect(resultDocument(RESULT, '1.0.0')).toEqual({
      cniVersion: '1.0.0',
      interfaces: [OLD_INTERFACE],
      ips: RESULT.ips,
      routes: OLD_ROUTES,
      dns: RESULT.dns,
    })
  })

  test('writes 1.1.0', () => {
    expect(resultDocument(RESULT, '1.1.0')).toEqual({ cniVersion: '1.1.0', ...RESULT })
  })

  test.each(SUPPORTED_VERSIONS)('readResult() reads the addresses and routes of %s', (version) => {
    const read = readResult(resultDocument(RESULT, version))
    expect(read.ips.map(({ address }) => address)).toEqual(RESULT.ips.map(({ address }) => address))
    expect(read.routes.map(({ dst }) => dst)).toEqual(['0.0.0.0/0', '::/0'])
    expect(read.dns).toEqual(RESULT.dns)
  })
})

describe('readResult()', () => {
  test('reads keys in any case and ignores what is empty', () => {
    expect(readResult({ IPs: [{ Address: '10.1.0.5/24', Gateway: '' }], ROUTES: null })).toEqual({
      interfaces: [],
      ips: [{ address: '10.1.0.5/24' }],
      routes: [],
      dns: {},
    })
  })

  test.each([
    { ips: [{ address: '10.1.0.5' }] },
    { ips: [{}] },
    { ips: ['10.1.0.5/24'] },
    { ip4: { ip: 'x' } },
    { ips: [{ address: '10.1.0.5/24' }], routes: [{ dst: 'default' }] },
    { ips: [{ address: '10.1.0.5/24', gateway: 'x' }] },
    { ips: [{ address: '10.1.0.5/24' }], routes: [{ dst: '0.0.0.0/0', gw: 'x' }] },
  ])('refuses %j', (object) => {
    expect(() => readResult(object)).toThrow('is not an IP address')
  })

  test('keeps the PCI address of an interface', () => {
    expect(readResult(resultDocument(RESULT, '1.1.0'))).toEqual(RESULT)
  })
})

test('parseResult() refuses what is no JSON object', () => {
  expect(() => parseResult('[]', 'its result')).toThrow('its result: ')
})
