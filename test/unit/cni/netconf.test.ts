import { describe, expect, test } from 'vitest'
import { parseArgs, VERBS } from '../../../src/cni/args.js'
import { parseNetConf, requireValid } from '../../../src/cni/conf/netconf.js'
import { VF_ADDRESS } from '../../fakes/machine/machine.js'
import { issueKeys, parseConf } from '../../fakes/parse.js'
import { ACCEPTED, REFUSED } from '../../fixtures/netconf.js'

const flat = (table: typeof ACCEPTED) => table.flatMap(([key, values]) => values.map((value) => [key, value] as const))

describe('parseNetConf()', () => {
  test.each(flat(ACCEPTED))('accepts %s %j', (key, value) => {
    expect(parseConf({ [key]: value }).issues).toEqual([])
  })

  test.each(flat(REFUSED))('refuses %s %j, naming the key', (key, value) => {
    const top = key.startsWith('cni.dev/') ? key : (key.split('.')[0] ?? '')
    const vlan = key === 'vlanQoS' || key === 'vlanProto' ? { vlan: 5 } : {}
    const { issues } = parseConf({ ...vlan, [top]: value })
    expect(issues.map((issue) => issue.key)).toEqual([key])
    expect(() => requireValid(parseConf({ ...vlan, [top]: value }))).toThrow(`${key}: `)
  })

  test.each(flat(ACCEPTED).map(([key]) => key))('counts %s null as unset', (key) => {
    const { conf, issues } = parseConf({ [key]: null })
    expect(issues.map((issue) => issue.key)).toEqual(key === 'deviceID' ? ['deviceID'] : [])
    expect(conf.vf).toEqual({})
  })

  test('reports every problem in one message', () => {
    const parsed = parseConf({ vlan: 'x', mac: 'x', spoofchk: 'yes', mtu: 1, ipam: { type: 'a/b' }, dpdk: 'x' })
    expect(parsed.issues.map(({ key }) => key).sort()).toEqual(['dpdk', 'ipam.type', 'mac', 'mtu', 'spoofchk', 'vlan'])
    expect(() => requireValid(parsed)).toThrow(/vlan: .*mac: .*spoofchk: .*mtu: /)
  })

  test('reads keys in any case, the last duplicate wins', () => {
    const object: unknown = JSON.parse('{"VLAN": 5, "Min_Tx_Rate": 1, "vlan": 6, "SpoofChk": "off"}')
    expect(parseConf(object as object).conf.vf).toMatchObject({
      vlan: { vlan: 6 },
      minTxRateMbps: 1,
      spoofchk: false,
    })
  })

  test('warns of near misses and suggests the key', () => {
    const { warnings, issues } = parseConf({ 'max-tx-rate': 5, vlanId: 5, spofchk: 'on', ingressRate: 5 })
    expect(issues).toEqual([])
    expect(warnings.join('\n')).toContain('"max-tx-rate" is ignored; did you mean "max_tx_rate"')
    expect(warnings.join('\n')).toContain('did you mean "spoofchk"')
    expect(warnings.join('\n')).not.toContain('ingressRate')
  })

  test('does not warn of the keys that Multus and containerd add', () => {
    const keys = { Type: 'sriov', plugins: [], resourceName: 'x', pciBusID: VF_ADDRESS, disableCheck: false }
    expect(parseConf(keys).warnings).toEqual([])
  })

  test('has defaults', () => {
    expect(parseConf({}).conf).toMatchObject({ cniDir: '/var/lib/cni/sriov', vf: {}, netdev: {} })
  })
})

const BY_ADDRESS = { by: 'address', address: VF_ADDRESS }

describe('the device', () => {
  test('is missing without a key that names it', () => {
    expect(issueKeys({ deviceID: null })).toEqual(['deviceID'])
  })

  test('may be given as pciBusID, or twice the same', () => {
    expect(parseConf({ deviceID: null, pciBusID: VF_ADDRESS }).conf.device).toEqual(BY_ADDRESS)
    expect(issueKeys({ pciBusID: VF_ADDRESS.toUpperCase() })).toEqual([])
  })

  test('may not be given as two', () => {
    expect(issueKeys({ pciBusID: '0000:01:10.6' })).toEqual(['pciBusID'])
  })

  test('may come from runtimeConfig', () => {
    const { conf } = parseConf({ deviceID: null, runtimeConfig: { deviceID: VF_ADDRESS } })
    expect(conf.device).toEqual(BY_ADDRESS)
  })

  test.each([{ master: 'ens1f0' }, { if0: 'ens1f0' }, { vf: 1 }, { selectors: {} }, { pfOnly: true }])(
    'beats %j',
    (keys) => {
      expect(parseConf(keys)).toMatchObject({ issues: [], conf: { device: BY_ADDRESS } })
    },
  )

  test.each([
    [{ master: 'ens1f0' }, '', { by: 'pf', key: 'master', pfName: 'ens1f0' }],
    [{ if0: 'ens1f0', vf: 3 }, '', { by: 'pf', key: 'if0', pfName: 'ens1f0', vfIndex: 3 }],
    [{ master: 'ens1f0', vf: 3 }, 'VF=4', { by: 'pf', key: 'master', pfName: 'ens1f0', vfIndex: 4 }],
    [{ master: 'ens1f0', if0: 'ens1f0', pfOnly: true }, '', { by: 'wholePf', key: 'master', pfName: 'ens1f0' }],
  ])('is chosen by %j %s', (keys, cniArgs, device) => {
    expect(parseConf({ deviceID: null, ...keys }, cniArgs)).toMatchObject({ issues: [], conf: { device } })
  })

  test.each([
    [{ master: 'ens1f0', if0: 'ens2f0' }, '', ['if0']],
    [{ master: 'ens1f0', vf: 1, pfOnly: true }, '', ['vf']],
    [{ master: 'ens1f0', selectors: {} }, '', ['selectors']],
    [{ master: 'ens1f0' }, 'VF=x', ['CNI_ARGS VF']],
    [{ master: 'a name too long for it' }, '', ['master']],
    [{ vf: 1 }, '', ['vf']],
    [{}, 'VF=1', ['CNI_ARGS VF']],
    [{ pfOnly: true }, '', ['pfOnly']],
  ])('cannot be chosen by %j %s', (keys, cniArgs, issues) => {
    expect(issueKeys({ deviceID: null, ...keys }, cniArgs)).toEqual(issues)
  })
})

describe('selectors', () => {
  const read = (selectors: object) => parseConf({ deviceID: null, selectors })

  test('are read in the vocabulary of the device plugin', () => {
    const given = {
      pfNames: ['ens1f0#0-3,5', 'ens2f0'],
      rootDevices: ['02:00.0#7'],
      PCIAddresses: ['0000:01:10.0'],
      vendors: ['8086', '0x15B3'],
      devices: ['10ca'],
      drivers: ['igbvf'],
      linkTypes: ['ether'],
    }
    const { conf, issues } = read(given)
    expect(issues).toEqual([])
    expect(conf.device).toMatchObject({
      by: 'selectors',
      selectors: {
        pfNames: [
          {
            pf: 'ens1f0',
            indexes: [
              [0, 3],
              [5, 5],
            ],
          },
          { pf: 'ens2f0' },
        ],
        rootDevices: [{ pf: '0000:02:00.0', indexes: [[7, 7]] }],
        pciAddresses: ['0000:01:10.0'],
        vendors: ['8086', '15b3'],
        devices: ['10ca'],
        drivers: ['igbvf'],
        linkTypes: ['ether'],
      },
    })
  })

  test('that are empty lists select nothing and everything', () => {
    expect(read({ vendors: [], drivers: null }).conf.device).toMatchObject({ selectors: {} })
  })

  test.each([
    [{ pfNames: 'ens1f0' }, 'selectors.pfNames'],
    [{ pfNames: ['ens1f0#3-1'] }, 'selectors.pfNames'],
    [{ pfNames: ['ens1f0#a'] }, 'selectors.pfNames'],
    [{ pfNames: ['#1'] }, 'selectors.pfNames'],
    [{ rootDevices: ['ens1f0'] }, 'selectors.rootDevices'],
    [{ vendors: [8086] }, 'selectors.vendors'],
    [{ linkTypes: ['fddi'] }, 'selectors.linkTypes'],
    [{ acpiIndexes: [101] }, 'selectors.acpiIndexes'],
    [{ pKeys: ['8001'] }, 'selectors.pKeys'],
    [{ isRdma: 'true' }, 'selectors.isRdma'],
    [{ vendor: ['8086'] }, 'selectors.vendor'],
  ])('%j is refused, naming %s', (selectors, key) => {
    expect(read(selectors).issues.map((issue) => issue.key)).toEqual([key])
  })
})

describe('mac', () => {
  const [first, second, third, fourth] = [
    '02:00:00:00:00:01',
    '02:00:00:00:00:02',
    '02:00:00:00:00:03',
    '02:00:00:00:00:04',
  ]
  const keys = { mac: fourth, args: { cni: { mac: third } } }

  test('comes from runtimeConfig before CNI_ARGS before args.cni before the key', () => {
    const mac = (conf: object, cniArgs?: string) => parseConf(conf, cniArgs).conf.vf.mac
    expect(mac({ ...keys, runtimeConfig: { mac: first } }, `MAC=${second}`)).toBe(first)
    expect(mac(keys, `MAC=${second}`)).toBe(second)
    expect(mac(keys)).toBe(third)
    expect(mac({ mac: fourth })).toBe(fourth)
  })

  test('of runtimeConfig counts only for a declared capability, where any are declared', () => {
    const mac = (capabilities: object) =>
      parseConf({ ...keys, capabilities, runtimeConfig: { mac: first } }).conf.vf.mac
    expect(mac({ mac: true })).toBe(first)
    expect(mac({ mac: false })).toBe(third)
    expect(mac({ ips: true })).toBe(third)
  })

  test('is written in lower case with colons', () => {
    expect(parseConf({ mac: '02-AA-BB-00-00-01' }).conf.vf.mac).toBe('02:aa:bb:00:00:01')
  })

  test('of CNI_ARGS that is wrong is named', () => {
    expect(issueKeys({}, 'MAC=x')).toEqual(['CNI_ARGS MAC'])
  })
})

describe('vlan', () => {
  test.each([
    [{ vlan: 0 }, { vlan: 0, vlanQoS: 0, vlanProto: '802.1q' }],
    [
      { vlan: 5, vlanQoS: 7, vlanProto: '802.1AD' },
      { vlan: 5, vlanQoS: 7, vlanProto: '802.1ad' },
    ],
    [
      { vlan: 0, vlanQoS: 0, vlanProto: '802.1Q' },
      { vlan: 0, vlanQoS: 0, vlanProto: '802.1q' },
    ],
    [{}, undefined],
  ])('with %j is %j', (keys, vlan) => {
    expect(parseConf(keys)).toMatchObject({ issues: [], conf: { vf: vlan ? { vlan } : {} } })
  })

  test.each([
    [{ vlanQoS: 0 }, ['vlanQoS']],
    [{ vlanProto: '802.1q' }, ['vlanProto']],
    [{ vlan: 0, vlanQoS: 1 }, ['vlanQoS']],
    [{ vlan: 0, vlanProto: '802.1ad' }, ['vlanProto']],
    [{ vlan: 'x', vlanQoS: 1 }, ['vlan']],
  ])('with %j has issues for %j', (keys, issues) => {
    expect(issueKeys(keys)).toEqual(issues)
  })

  test('comes from CNI_ARGS before the key', () => {
    expect(parseConf({ vlan: 5, vlanQoS: 2 }, 'VLAN=9').conf.vf.vlan).toMatchObject({ vlan: 9, vlanQoS: 2 })
    expect(issueKeys({}, 'VLAN=x')).toEqual(['CNI_ARGS VLAN'])
    expect(issueKeys({}, 'VLAN=4095')).toEqual(['CNI_ARGS VLAN'])
  })
})

test.each([
  [{ min_tx_rate: 2, max_tx_rate: 1 }, ['min_tx_rate']],
  [{ min_tx_rate: 2, max_tx_rate: 0 }, []],
  [{ min_tx_rate: 2, max_tx_rate: 2 }, []],
])('the rates %j have issues for %j', (keys, issues) => {
  expect(issueKeys(keys)).toEqual(issues)
})

test('l2enable drops the IPAM plugin', () => {
  expect(parseConf({ ipam: { type: 'host-local' } }).conf.ipamType).toBe('host-local')
  expect(parseConf({ ipam: { type: 'host-local' }, l2enable: true }).conf.ipamType).toBeUndefined()
})

describe('the configuration that IPAM plugins read', () => {
  const textOf = (text: string, name: string) =>
    parseNetConf(
      { cniVersion: '0.1.0', name, text, object: JSON.parse(text) },
      parseArgs(VERBS.ADD, { CNI_CONTAINERID: 'c', CNI_NETNS: '/n', CNI_IFNAME: 'net1', CNI_PATH: '/p' }),
    ).conf.text

  test('is that of the call, byte for byte', () => {
    const text = ' {"name": "n",  "ipam": {"type": "host-local", "big": 12345678901234567890}}\n'
    expect(textOf(text, 'n')).toBe(text)
  })

  test.each(['{"ipam": {"type": "host-local"}, "name": null, "type": "sriov" }\n', '{"name": "", "IPAM": {}}'])(
    'has a name where the caller gives none: %s',
    (text) => {
      expect(JSON.parse(textOf(text, ''))).toEqual({ ...JSON.parse(text), name: 'sriov' })
    },
  )

  test('stays as it is without ipam', () => {
    expect(textOf('{"type": "sriov"}', '')).toBe('{"type": "sriov"}')
  })
})
