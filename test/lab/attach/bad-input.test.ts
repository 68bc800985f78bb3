import { describe, expect, test } from 'vitest'
import { type CallOptions, type Conf, failing, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

untouchedHost()

const good = netConf(vf(0))
const without = (...keys: string[]): Conf =>
  Object.fromEntries(Object.entries(good).filter(([key]) => !keys.includes(key)))
const env = (...pairs: [string, string][]): CallOptions => ({ env: Object.fromEntries(pairs) })

/** What is wrong, the configuration, the code, words of the message, the call. */
type Row = readonly [string, Conf | string, number, RegExp, CallOptions?]

const ENVIRONMENT: readonly Row[] = [
  ['a container ID with a slash', good, 4, /containerID/, env(['CNI_CONTAINERID', '../x'])],
  ['a container ID too long for a file name', good, 4, /too long/, env(['CNI_CONTAINERID', 'a'.repeat(252)])],
  ['no container ID and no path', good, 4, /CNI_CONTAINERID,CNI_PATH/, env(['CNI_CONTAINERID', ''], ['CNI_PATH', ''])],
  ['an interface name of 16 bytes', good, 4, /too long/, { ifName: 'abcdefghijklmnop' }],
  ['an interface name of 15 characters and 16 bytes', good, 4, /too long/, { ifName: 'abcdefghijklmnö' }],
  ['an interface name with a slash', good, 4, /interface name/, { ifName: 'net/1' }],
  ['an interface name with a no-break space', good, 4, /interface name/, { ifName: 'net\u00a01' }],
  ['the interface name ..', good, 4, /interface name/, { ifName: '..' }],
  ['an unknown verb', good, 4, /unknown CNI_COMMAND: PATCH/, env(['CNI_COMMAND', 'PATCH'])],
  ['a namespace that does not exist', good, 8, /\/run\/netns\/gone/, env(['CNI_NETNS', '/run/netns/gone'])],
  ['a namespace that is a plain file', good, 8, /not a network namespace/, env(['CNI_NETNS', '/etc/hostname'])],
  ['a namespace that is of another kind', good, 8, /not a network namespace/, env(['CNI_NETNS', '/proc/1/ns/mnt'])],
  ['the namespace of the host', good, 8, /should not be the same/, env(['CNI_NETNS', '/proc/1/ns/net'])],
  ['a MAC in CNI_ARGS that is none', good, 7, /CNI_ARGS MAC/, env(['CNI_ARGS', 'MAC=zz'])],
  ['a VLAN in CNI_ARGS above 4094', good, 7, /CNI_ARGS VLAN/, env(['CNI_ARGS', 'VLAN=4095'])],
]

const DOCUMENT: readonly Row[] = [
  ['no configuration', '', 6, /./],
  ['an array', '[]', 6, /array/],
  ['a byte order mark', `\ufeff${JSON.stringify(good)}`, 6, /./],
  ['trailing bytes', `${JSON.stringify(good)}x`, 6, /./],
  ['a version nobody knows', { ...good, cniVersion: '9.9.9' }, 1, /incompatible CNI versions/],
  ['a version with a v', { ...good, cniVersion: 'v1.0.0' }, 1, /incompatible CNI versions/],
  ['a name that is a number', { ...good, name: 1 }, 6, /name/],
  ['a name with a slash', { ...good, name: 'a/b' }, 7, /network name/],
  ['no name', without('name'), 7, /missing network name/],
]

const KEYS: readonly Row[] = [
  ['no device', without('deviceID'), 7, /deviceID/],
  ['a device that is no PCI address', { ...good, deviceID: 'ens1f0v0' }, 7, /deviceID.*PCI address/],
  ['two devices', { ...good, pciBusID: vf(1).pci }, 7, /pciBusID/],
  ['VLAN 4095', { ...good, vlan: 4095 }, 7, /vlan:.*4094/],
  ['a VLAN as text', { ...good, vlan: '100' }, 7, /vlan:/],
  ['vlanQoS without vlan', { ...good, vlanQoS: 3 }, 7, /vlanQoS: needs vlan/],
  ['vlanQoS 8', { ...good, vlan: 5, vlanQoS: 8 }, 7, /vlanQoS/],
  ['vlanQoS with VLAN 0', { ...good, vlan: 0, vlanQoS: 1 }, 7, /vlanQoS/],
  ['vlanProto 802.1x', { ...good, vlan: 5, vlanProto: '802.1x' }, 7, /vlanProto/],
  ['a multicast MAC', { ...good, mac: '01:00:5e:00:00:01' }, 7, /mac:.*unicast/],
  ['a zero MAC', { ...good, mac: '00:00:00:00:00:00' }, 7, /mac:/],
  ['spoofchk yes', { ...good, spoofchk: 'yes' }, 7, /spoofchk:.*"on" or "off"/],
  ['trust true', { ...good, trust: true }, 7, /trust:/],
  ['link_state up', { ...good, link_state: 'up' }, 7, /link_state:/],
  ['a minimum rate above the maximum', { ...good, min_tx_rate: 20, max_tx_rate: 10 }, 7, /min_tx_rate/],
  ['a negative rate', { ...good, max_tx_rate: -1 }, 7, /max_tx_rate/],
  ['MTU 67', { ...good, mtu: 67 }, 7, /mtu:/],
  ['promisc as text', { ...good, promisc: 'on' }, 7, /promisc:/],
  ['an IPAM type with a path', { ...good, ipam: { type: '../bin/sh' } }, 7, /ipam.type/],
  ['a state folder that is relative', { ...good, cniDir: 'state' }, 7, /cniDir/],
]

describe('ADD fails with one JSON document, the right code and an unchanged host', () => {
  const rows = [...ENVIRONMENT, ...DOCUMENT, ...KEYS]
  test.each(rows.map((row) => [row[0], row] as const))('%s', async (_name, [, conf, code, words, options]) => {
    const error = await failing('ADD', await newPod(), conf, options)
    expect(error.code).toBe(code)
    expect(error.msg).toMatch(words)
  })

  test('several mistakes are reported together, each with its key', async () => {
    const conf = { ...good, vlan: 5000, spoofchk: 'yes', mtu: 'big', max_tx_rate: 1.5 }
    const { code, msg } = await failing('ADD', await newPod(), conf)
    expect(code).toBe(7)
    for (const key of ['vlan', 'spoofchk', 'mtu', 'max_tx_rate']) {
      expect(msg).toContain(`${key}: `)
    }
  })
})
