import { expect, test } from 'vitest'
import { add, DEFAULT_IFNAME, del, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { link } from '../host/kernel-view.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

untouchedHost()
callsByResident()

const MAC = '02:00:00:00:02:01'
const ipam = {
  type: 'static',
  addresses: [{ address: '10.9.5.5/24', gateway: '10.9.5.1' }, { address: 'fd00:95::5/64' }],
  routes: [{ dst: '10.60.0.0/16' }],
  dns: { nameservers: ['10.9.5.53'] },
}
const dns = { nameservers: ['10.9.5.53'] }
const routes = [{ dst: '10.60.0.0/16' }]
const ipv4 = { address: '10.9.5.5/24', gateway: '10.9.5.1', interface: 0 }
const ipv6 = { address: 'fd00:95::5/64', interface: 0 }

const legacy = {
  ip4: { ip: '10.9.5.5/24', gateway: '10.9.5.1', routes },
  ip6: { ip: 'fd00:95::5/64' },
  dns,
}
const middle = {
  ips: [
    { version: '4', ...ipv4 },
    { version: '6', ...ipv6 },
  ],
  routes,
  dns,
}
const modern = { ips: [ipv4, ipv6], routes, dns }

test.each([
  ['0.1.0', legacy],
  ['0.2.0', legacy],
  ['0.3.1', middle],
  ['0.4.0', middle],
  ['1.0.0', modern],
] as const)('ADD answers in the shape of version %s', async (cniVersion, expected) => {
  const pod = await newPod()
  const conf = { ...netConf(vf(5), { mac: MAC, ipam }), cniVersion }
  const interfaces = [{ name: DEFAULT_IFNAME, mac: MAC, sandbox: pod.netns }]
  expect(await add(pod, conf)).toEqual({ cniVersion, ...expected, ...('ip4' in expected ? {} : { interfaces }) })
  await del(pod, conf)
})

test('ADD without IPAM answers a layer 2 result of version 0.2.0', async () => {
  const pod = await newPod()
  const conf = { ...netConf(vf(5)), cniVersion: '0.2.0' }
  expect(await add(pod, conf)).toEqual({ cniVersion: '0.2.0' })
  await del(pod, conf)
})

test('ADD answers version 1.1.0 with MTU and PCI address', async () => {
  const pod = await newPod()
  const conf = { ...netConf(vf(5), { mac: MAC, mtu: 1400 }), cniVersion: '1.1.0' }
  const { interfaces } = await add(pod, conf)
  expect(interfaces).toEqual([{ name: DEFAULT_IFNAME, mac: MAC, mtu: 1400, sandbox: pod.netns, pciID: vf(5).pci }])
  expect(await link(DEFAULT_IFNAME, pod)).toMatchObject({ mtu: 1400, address: MAC })
  await del(pod, conf)
})

test('ADD takes the configuration of Multus 1, without name and version', async () => {
  const pod = await newPod()
  const conf = { type: 'sriov', masterplugin: true, deviceID: vf(5).pci }
  await add(pod, conf, { ifName: 'net0' })
  expect((await link('net0', pod)).parentdev).toBe(vf(5).pci)
  await del(pod, conf, { ifName: 'net0' })
})

test('ADD reads keys in any case, as its Go callers write them', async () => {
  const pod = await newPod()
  const conf = { CNIVersion: '1.0.0', Name: 'lab', Type: 'sriov', DeviceID: vf(5).pci, MTU: 1300 }
  await add(pod, conf)
  expect((await link(DEFAULT_IFNAME, pod)).mtu).toBe(1300)
  await del(pod, conf)
})
