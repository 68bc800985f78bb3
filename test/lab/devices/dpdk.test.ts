import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { example } from '../calls/examples.js'
import { add, type Conf, check, del, failing, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, type Pod, removePod } from '../calls/pods.js'
import { removePolicy, setPolicy } from '../calls/policy.js'
import { driverOf, netdevsOf, overrideOf } from '../host/drivers.js'
import { linksIn, settingsOf } from '../host/kernel-view.js'
import { sleep } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { type Vf, vf } from '../host/virtual-functions.js'
import { startTestpmd } from './testpmd.js'

const host = untouchedHost()

const VFIO = { dpdk_driver: 'vfio-pci' }
const CANNOT_RELEASE = 109
const DEVICE = 101

const namesIn = async (pod: Pod): Promise<string[]> => (await linksIn(pod)).map(({ ifname }) => ifname)

describe('the configuration of intel 0.x, with dpdk-devbind.py', () => {
  test('testpmd drives the VF with its MAC, its VLAN is on the PF, and DEL gives all back', async () => {
    const pod = await newPod()
    const conf = example('35-intel-0.x-dpdk.conf')
    await add(pod, conf)
    expect([driverOf(vf(2)), overrideOf(vf(2)), netdevsOf(vf(2))]).toEqual(['vfio-pci', '(null)', []])
    expect(await settingsOf(vf(2))).toMatchObject({ address: conf.mac, vlan_list: [{ vlan: 21 }] })
    const testpmd = await startTestpmd({ device: vf(2).pci, mode: 'rxonly', netns: pod.name })
    expect(testpmd.portMac()).toBe(conf.mac)
    expect(await settingsOf(vf(2))).toMatchObject({ vlan_list: [{ vlan: 21 }] })
    await testpmd.stop()
    await del(pod, conf)
    expect(netdevsOf(vf(2))).toEqual([vf(2).name])
    expect(await host.differences()).toEqual([])
  })
})

describe('two testpmds', () => {
  const attach = async (one: Vf, vlan: number, mac: string) => {
    const pod = await newPod()
    const conf = netConf(one, { vlan, mac, dpdk: VFIO })
    await add(pod, conf)
    return { pod, conf }
  }

  async function exchange(vlanOfReceiver: number) {
    const sender = await attach(vf(0), 21, '02:00:00:00:21:00')
    const receiver = await attach(vf(1), vlanOfReceiver, '02:00:00:00:21:01')
    const rx = await startTestpmd({ device: vf(1).pci, mode: 'rxonly', netns: receiver.pod.name })
    const tx = await startTestpmd({
      device: vf(0).pci,
      mode: 'txonly',
      peerMac: rx.portMac(),
      netns: sender.pod.name,
    })
    await sleep(1000)
    const { txPackets } = await tx.stop()
    const { rxPackets } = await rx.stop()
    console.log(`testpmd, VLAN 21 to ${vlanOfReceiver}: ${txPackets} packets sent, ${rxPackets} received`)
    await del(sender.pod, sender.conf)
    await del(receiver.pod, receiver.conf)
    return { txPackets, rxPackets }
  }

  test('exchange packets through the card within a VLAN', async () => {
    const { txPackets, rxPackets } = await exchange(21)
    expect(txPackets).toBeGreaterThan(100)
    expect(rxPackets).toBeGreaterThan(100)
  })

  test('exchange none from one VLAN to another', async () => {
    const { txPackets, rxPackets } = await exchange(22)
    expect(txPackets).toBeGreaterThan(100)
    expect(rxPackets).toBe(0)
  })
})

describe('binding through sysfs', () => {
  test('addresses are reserved and returned, not applied; the result claims no interface in the pod', async () => {
    const pod = await newPod()
    const conf = netConf(vf(3), { vlan: 30, max_tx_rate: 100, dpdk: VFIO, ...hostLocal() })
    const result = await add(pod, conf)
    const { mac } = result.interfaces[0] ?? {}
    expect(result.interfaces).toEqual([{ name: 'net1', ...(mac !== undefined && { mac }) }])
    expect(result.ips).toMatchObject([{ address: expect.stringMatching(/^10\.9\.0\.\d+\/24$/) }])
    expect(await namesIn(pod)).toEqual(['lo'])
    expect(await settingsOf(vf(3))).toMatchObject({ vlan_list: [{ vlan: 30 }], rate: { max_tx: 100 } })
    await check(pod, { ...conf, prevResult: result })
    await del(pod, conf)
    await del(pod, conf)
  })

  test('the result names the device and its MAC', async () => {
    const pod = await newPod()
    const mac = '02:00:00:00:21:08'
    const conf = netConf(vf(3), { cniVersion: '1.1.0', mac, dpdk: VFIO })
    expect((await add(pod, conf)).interfaces).toEqual([{ name: 'net1', pciID: vf(3).pci, mac }])
    await del(pod, conf)
  })

  test('DEL works from the record alone: no namespace, another configuration', async () => {
    const pod = await newPod()
    await add(pod, netConf(vf(3), { mac: '02:00:00:00:21:03', trust: 'on', spoofchk: 'off', dpdk: VFIO }))
    await removePod(pod)
    await del(pod, netConf(vf(3)), { env: { CNI_NETNS: '' } })
    expect(driverOf(vf(3))).toBe('igbvf')
  })

  test('a driver that says no is named, and all is as before', async () => {
    setPolicy({ dpdkDrivers: ['igb'] })
    onTestFinished(removePolicy)
    const pod = await newPod()
    // It takes the IDs of the VF, and then refuses: "should not be a VF!"
    const conf = netConf(vf(3), { vlan: 40, mac: '02:00:00:00:21:04', dpdk: { dpdk_driver: 'igb' } })
    const { code, msg } = await failing('ADD', pod, conf)
    expect([code, msg]).toEqual([DEVICE, expect.stringContaining('cannot bind VF 3 of ens1f0 (0000:01:10.6) to igb')])
    expect(await host.differences()).toEqual([])
    await del(pod, conf)
  })

  test('a driver that is nowhere is named before anything changes', async () => {
    const pod = await newPod()
    const { msg } = await failing('ADD', pod, netConf(vf(3), { dpdk: { dpdk_driver: 'igb_uio' } }))
    expect(msg).toContain('dpdk.dpdk_driver: the driver igb_uio is not loaded (')
  })

  test('flr: the VF is reset on its way back, from a pod with an interface, too', async () => {
    for (const dpdk of [VFIO, undefined]) {
      const pod = await newPod()
      const conf = netConf(vf(4), { vlan: 50, mac: '02:00:00:00:21:05', flr: true, ...(dpdk && { dpdk }) })
      await add(pod, conf)
      await del(pod, conf)
      expect(await host.differences()).toEqual([])
    }
  })
})

describe('DEL of a VF that a program still has open', () => {
  test('says which, and the next one gives the VF back', async () => {
    const pod = await newPod()
    const conf = netConf(vf(2), { vlan: 21, dpdk: VFIO })
    await add(pod, conf)
    const testpmd = await startTestpmd({ device: vf(2).pci, mode: 'rxonly', netns: pod.name })
    const { code, msg } = await failing('DEL', pod, conf)
    expect([code, msg]).toEqual([CANNOT_RELEASE, expect.stringMatching(/still used by process \d+ \(dpdk-testpmd\)/)])
    expect(await settingsOf(vf(2))).toMatchObject({ vlan_list: [{ vlan: 21 }] })
    await testpmd.kill()
    await del(pod, conf)
  })
})

describe('the device-information file', () => {
  const FILE = '/run/k8s.cni.cncf.io/devinfo/cni/lab-net1-device.json'
  const conf = (more: Conf) =>
    netConf(vf(2), { capabilities: { CNIDeviceInfoFile: true }, runtimeConfig: { CNIDeviceInfoFile: FILE }, ...more })

  test.each([{ dpdk: VFIO }, {}])('is made by ADD with %j and removed by DEL', async (more) => {
    const pod = await newPod()
    await add(pod, conf(more))
    expect(JSON.parse(readFileSync(FILE, 'utf8'))).toMatchObject({
      type: 'pci',
      version: '1.1.0',
      pci: { 'pci-address': vf(2).pci, 'pf-pci-address': '0000:01:00.0' },
    })
    await del(pod, conf(more))
    expect(existsSync(FILE)).toBe(false)
  })

  test("the device plugin's stays", async () => {
    const text = JSON.stringify({ type: 'pci', version: '1.1.0', pci: { 'pci-address': vf(2).pci } })
    writeFileSync(FILE, text)
    const pod = await newPod()
    await add(pod, conf({}))
    await del(pod, conf({}))
    expect(readFileSync(FILE, 'utf8')).toBe(text)
    rmSync(FILE)
  })
})
