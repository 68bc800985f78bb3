import { describe, expect, test } from 'vitest'
import { add, type Conf, DEFAULT_IFNAME, del, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { link, settingsOf } from '../host/kernel-view.js'
import { ip, shell } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

const ADMIN_MAC = '02:00:00:00:0f:02'

const PREPARED: readonly (readonly [string, string])[] = [
  ['up', 'ip link set ens1f0v4 up'],
  ['up, promiscuous and all-multicast', 'ip link set ens1f0v4 promisc on allmulticast on up'],
  ['renamed', 'ip link set ens1f0v4 name fabric0'],
  ['known by the name it gets in the pod', `ip link property add dev ens1f0v4 altname ${DEFAULT_IFNAME}`],
  ['known by two other names', 'ip link property add dev ens1f0v4 altname enp1s17f4 altname the-long-name-of-vf-4'],
  ['without multicast', 'ip link set ens1f0v4 multicast off'],
  ['of another MTU', 'ip link set ens1f0v4 mtu 1450'],
  ['of another MAC, set by the VF itself', 'ip link set ens1f0v4 address 02:00:00:00:0f:03'],
  ['on VLAN 7 with QoS 3', 'ip link set ens1f0 vf 4 vlan 7 qos 3'],
  ['rate limited', 'ip link set ens1f0 vf 4 max_tx_rate 300'],
  ['trusted and not spoof checked', 'ip link set ens1f0 vf 4 trust on spoofchk off'],
  ['with a MAC administered, not yet in use', `ip link set ens1f0 vf 4 mac ${ADMIN_MAC}`],
  [
    'with a MAC administered and in use',
    `ip link set ens1f0 vf 4 mac ${ADMIN_MAC}; ip link set ens1f0v4 up; ip link set ens1f0v4 down`,
  ],
  [
    'with everything set at once, and up',
    `ip link set ens1f0 vf 4 mac ${ADMIN_MAC} vlan 7 max_tx_rate 300 trust on spoofchk off
     ip link property add dev ens1f0v4 altname ${DEFAULT_IFNAME}
     ip link set ens1f0v4 mtu 1450 up`,
  ],
]

const CONFS: readonly (readonly [string, Conf])[] = [
  ['no settings', {}],
  ['all settings', ALL_SETTINGS],
]

describe('a VF comes back as the host had it', () => {
  test.each(
    PREPARED.flatMap(([state, script]) => CONFS.map(([settings, conf]) => [state, settings, script, conf] as const)),
  )('%s, after an attachment with %s', async (_state, _settings, script, conf) => {
    await host.prepare(() => shell(script))
    const pod = await newPod()
    await add(pod, netConf(vf(4), conf))
    expect((await link(DEFAULT_IFNAME, pod)).parentdev).toBe(vf(4).pci)
    await del(pod, netConf(vf(4), conf))
    expect(await host.differences()).toEqual([])
  })
})

test('a configuration without vlan leaves the VLAN of the host in force', async () => {
  await host.prepare(() => ip('link set ens1f0 vf 4 vlan 7 qos 3'))
  const pod = await newPod()
  await add(pod, netConf(vf(4)))
  expect((await settingsOf(vf(4))).vlan_list).toEqual([{ vlan: 7, qos: 3 }])
  await del(pod, netConf(vf(4)))
})

test('vlan 0 clears the VLAN of the host for the life of the pod', async () => {
  await host.prepare(() => ip('link set ens1f0 vf 4 vlan 7 qos 3'))
  const pod = await newPod()
  await add(pod, netConf(vf(4), { vlan: 0 }))
  expect((await settingsOf(vf(4))).vlan_list).toEqual([{}])
  await del(pod, netConf(vf(4), { vlan: 0 }))
  expect((await settingsOf(vf(4))).vlan_list).toEqual([{ vlan: 7, qos: 3 }])
})

test('promisc false and allmulti false hold in the pod of a VF that has both on the host', async () => {
  await host.prepare(() => ip('link set ens1f0v4 promisc on allmulticast on'))
  const pod = await newPod()
  const conf = netConf(vf(4), { promisc: false, allmulti: false })
  await add(pod, conf)
  expect((await link(DEFAULT_IFNAME, pod)).flags).not.toEqual(expect.arrayContaining(['PROMISC']))
  expect((await link(DEFAULT_IFNAME, pod)).flags).not.toEqual(expect.arrayContaining(['ALLMULTI']))
  await del(pod, conf)
})
