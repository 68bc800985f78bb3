import { describe, expect, test } from 'vitest'
import { codeOf, errorDocument } from '../../../src/cni/error-codes.js'
import { describeFault, errnoOf, type Fault, PluginError } from '../../../src/errors.js'

const FAULTS: Readonly<{ [Kind in Fault['kind']]: readonly [Extract<Fault, { kind: Kind }>, number] }> = {
  version: [{ kind: 'version', message: 'm', details: 'd' }, 1],
  environment: [{ kind: 'environment', message: 'm' }, 4],
  io: [{ kind: 'io', message: 'm' }, 5],
  decode: [{ kind: 'decode', message: 'm' }, 6],
  networkName: [{ kind: 'networkName', message: 'm' }, 7],
  config: [{ kind: 'config', issues: [{ key: 'vlan', problem: 'm' }] }, 7],
  policy: [{ kind: 'policy', refusals: [{ key: 'vlan', problem: 'm' }] }, 7],
  policyFile: [{ kind: 'policyFile', problem: 'm' }, 7],
  netns: [{ kind: 'netns', path: '/n', problem: 'm' }, 8],
  tryAgain: [{ kind: 'tryAgain', message: 'm' }, 11],
  notReady: [{ kind: 'notReady', message: 'm' }, 50],
  kernel: [{ kind: 'kernel', operation: 'm', target: 't', code: 'EBUSY', driver: 'igb', text: 'w' }, 100],
  wire: [{ kind: 'wire', problem: 'm' }, 100],
  device: [{ kind: 'device', message: 'm' }, 101],
  vfInUse: [{ kind: 'vfInUse', target: 'm', holder: 'h' }, 102],
  interfaceExists: [{ kind: 'interfaceExists', name: 'm', netns: '/n' }, 103],
  alreadyAttached: [{ kind: 'alreadyAttached', key: 'm', target: 't' }, 104],
  ipam: [{ kind: 'ipam', plugin: 'p', message: 'm' }, 105],
  address: [{ kind: 'address', text: 'm' }, 105],
  state: [{ kind: 'state', path: '/p', problem: 'm' }, 106],
  duplicateAddress: [{ kind: 'duplicateAddress', address: 'm', interfaceName: 'i' }, 107],
  mismatch: [{ kind: 'mismatch', differences: ['m'] }, 108],
  release: [{ kind: 'release', target: 'm', problems: ['p'] }, 109],
  kernelTooOld: [{ kind: 'kernelTooOld', release: 'm', oldest: 'm' }, 110],
}

describe.each(Object.entries(FAULTS))('a fault of kind %s', (_kind, [fault, code]) => {
  test(`has code ${code} and a sentence`, () => {
    expect(codeOf(fault)).toBe(code)
    expect(describeFault(fault).toLowerCase()).toContain('m')
    expect(errorDocument(new PluginError(fault))).toMatchObject({ code, msg: describeFault(fault) })
  })
})

test('describeFault() names operation, target, driver, errno and the words of the driver', () => {
  expect(describeFault(FAULTS.kernel[0])).toBe('Cannot m on t (driver igb): EBUSY: w')
})

test('errorDocument() passes on the code and details of an IPAM plugin', () => {
  const fault: Fault = { kind: 'ipam', plugin: 'p', message: 'm', code: 11, details: 'd' }
  expect(errorDocument(new PluginError(fault))).toEqual({ code: 11, msg: 'IPAM plugin p: m', details: 'd' })
})

test('errorDocument() has code 999 for anything else', () => {
  expect(errorDocument(new TypeError('x'))).toEqual({ code: 999, msg: 'x' })
  expect(errorDocument('x')).toEqual({ code: 999, msg: 'x' })
})

test('errnoOf() knows errors of the kernel and of Node.js', () => {
  expect(errnoOf(new PluginError(FAULTS.kernel[0]))).toBe('EBUSY')
  expect(errnoOf(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT')
  expect([errnoOf(new Error('x')), errnoOf(undefined), errnoOf(new PluginError(FAULTS.io[0]))]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})
