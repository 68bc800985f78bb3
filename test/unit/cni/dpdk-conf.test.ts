import { describe, expect, test } from 'vitest'
import { requireValid } from '../../../src/cni/conf/netconf.js'
import { DEVBIND_PATH, PF } from '../../fakes/machine/machine.js'
import { issueKeys, parseConf } from '../../fakes/parse.js'

const read = (dpdk: unknown) => parseConf({ dpdk }).conf.dpdk

describe('readDpdk()', () => {
  test('takes the driver alone, and all three keys', () => {
    expect(read({ dpdk_driver: 'vfio-pci' })).toEqual({ driver: 'vfio-pci' })
    expect(read({ kernel_driver: 'igbvf', dpdk_driver: 'igb_uio', dpdk_tool: DEVBIND_PATH })).toEqual({
      driver: 'igb_uio',
      kernelDriver: 'igbvf',
      tool: DEVBIND_PATH,
    })
  })

  test('takes keys in any case; the last duplicate wins', () => {
    const dpdk: unknown = JSON.parse('{"DPDK_Driver": "igb_uio", "Kernel_Driver": "igbvf", "dpdk_driver": "vfio-pci"}')
    expect(read(dpdk)).toEqual({ driver: 'vfio-pci', kernelDriver: 'igbvf' })
    expect(parseConf({ DPDK: { dpdk_driver: 'vfio-pci' } }).conf.dpdk).toEqual({ driver: 'vfio-pci' })
  })

  test('takes null and "" as unset', () => {
    expect(read({ dpdk_driver: 'vfio-pci', kernel_driver: null, dpdk_tool: '' })).toEqual({ driver: 'vfio-pci' })
    expect(issueKeys({ dpdk: null })).toEqual([])
  })

  test('takes an empty object as none, even beside pfOnly', () => {
    expect(read({})).toBeUndefined()
    expect(issueKeys({ dpdk: {} })).toEqual([])
    expect(issueKeys({ deviceID: null, master: PF, pfOnly: true, dpdk: {} })).toEqual([])
  })

  test.each([[{ kernel_driver: 'igbvf' }], [{ dpdk_driver: '' }], [{ dpdk_driver: null }], [{ driver: 'vfio-pci' }]])(
    'misses dpdk_driver in %j',
    (dpdk) => {
      expect(issueKeys({ dpdk })).toEqual(['dpdk.dpdk_driver'])
      expect(() => requireValid(parseConf({ dpdk }))).toThrow(/dpdk\.dpdk_driver: is missing: .*vfio-pci/)
    },
  )

  test.each([
    ['dpdk_driver', 5],
    ['dpdk_driver', true],
    ['dpdk_driver', ['vfio-pci']],
    ['dpdk_driver', '../../vfio-pci'],
    ['dpdk_driver', '-r'],
    ['dpdk_driver', 'vfio pci'],
    ['dpdk_driver', 'vfio-pci\n'],
    ['dpdk_driver', 'x'.repeat(65)],
    ['kernel_driver', 5],
    ['kernel_driver', {}],
    ['kernel_driver', 'igbvf/bind'],
    ['kernel_driver', '.'],
    ['dpdk_tool', 5],
    ['dpdk_tool', 'dpdk-devbind.py'],
    ['dpdk_tool', './dpdk-devbind.py'],
    ['dpdk_tool', []],
  ])('refuses %s %j, naming key and value', (key, value) => {
    const dpdk = { dpdk_driver: 'vfio-pci', [key]: value }
    expect(issueKeys({ dpdk })).toEqual([`dpdk.${key}`])
    expect(() => requireValid(parseConf({ dpdk }))).toThrow(`(it is ${JSON.stringify(value)})`)
  })

  test.each(['vfio-pci', true, 7, ['vfio-pci']])('refuses %j in place of the object', (dpdk) => {
    expect(issueKeys({ dpdk })).toEqual(['dpdk'])
  })

  test('reports every wrong key at once, and nothing of a driver that is wrong and not missing', () => {
    expect(issueKeys({ dpdk: { dpdk_driver: 1, kernel_driver: 2, dpdk_tool: 3 } }).sort()).toEqual([
      'dpdk.dpdk_driver',
      'dpdk.dpdk_tool',
      'dpdk.kernel_driver',
    ])
  })

  test('refuses pfOnly beside it', () => {
    const conf = { deviceID: null, master: PF, pfOnly: true, dpdk: { dpdk_driver: 'vfio-pci' } }
    expect(issueKeys(conf)).toEqual(['dpdk'])
    expect(() => requireValid(parseConf(conf))).toThrow(/dpdk: .*pfOnly/)
  })
})
