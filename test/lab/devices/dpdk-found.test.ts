import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openConf } from '../calls/choosing.js'
import { add, check, DEFAULT_IFNAME, del, failing, hostLocal, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { bindByHand, driverOf } from '../host/drivers.js'
import { settingsOf } from '../host/kernel-view.js'
import { ip, must } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'
import { startTestpmd } from './testpmd.js'

const host = untouchedHost()

const IN_USE = 102
const TRY_AGAIN = 11

const onVfio = (index: number) =>
  host.prepare(async () => {
    await must('modprobe', 'vfio-pci')
    await bindByHand(vf(index), 'vfio-pci')
  })

describe('a VF that is on vfio-pci before the ADD', () => {
  test('gets its settings, keeps its driver, and the first DEL succeeds', async () => {
    await onVfio(3)
    const pod = await newPod()
    const conf = netConf(vf(3), { vlan: 21, mac: '02:00:00:00:21:06', trust: 'on', flr: true, ...hostLocal() })
    const result = await add(pod, conf)
    expect(result.ips).toMatchObject([{ address: expect.stringMatching(/^10\.9\.0\.\d+\/24$/) }])
    expect(await settingsOf(vf(3))).toMatchObject({
      address: '02:00:00:00:21:06',
      vlan_list: [{ vlan: 21 }],
      trust: true,
    })
    const testpmd = await startTestpmd({ device: vf(3).pci, mode: 'rxonly', netns: pod.name })
    expect(testpmd.portMac()).toBe('02:00:00:00:21:06')
    await testpmd.stop()
    await check(pod, { ...conf, prevResult: result })
    await del(pod, conf)
    expect(driverOf(vf(3))).toBe('vfio-pci')
    expect(await host.differences()).toEqual([])
  })

  test('is no VF for a pod that wants an interface, unless it is named', async () => {
    await onVfio(0)
    const pod = await newPod()
    const conf = openConf({ selectors: { pfNames: [`${PF}#0`] } })
    const { code, msg } = await failing('ADD', pod, conf)
    expect([code, msg]).toEqual([
      TRY_AGAIN,
      expect.stringContaining('VF 0 of ens1f0 (0000:01:10.0): it is bound to vfio-pci'),
    ])
    const named = openConf({ selectors: { pfNames: [`${PF}#0`], drivers: ['vfio-pci'] } })
    await add(pod, named)
    await del(pod, named)
  })
})

test('with dpdk, seven pods get the seven VFs of a PF', async () => {
  const conf = openConf({ master: PF, dpdk: { dpdk_driver: 'vfio-pci' } })
  const pods = []
  for (let i = 0; i < 7; i += 1) {
    const pod = await newPod()
    pods.push(pod)
    await add(pod, conf)
  }
  expect([0, 1, 2, 3, 4, 5, 6].map((index) => driverOf(vf(index)))).toEqual(Array(7).fill('vfio-pci'))
  expect((await failing('ADD', await newPod(), conf)).code).toBe(TRY_AGAIN)
  for (const pod of pods) {
    await del(pod, conf)
  }
})

test('a VF that somebody bound to vfio-pci while a pod had its interface goes back to igbvf', async () => {
  const pod = await newPod()
  const conf = netConf(vf(2), { vlan: 100, mac: '02:00:00:00:21:07', mtu: 1400 })
  await add(pod, conf)
  await must('modprobe', 'vfio-pci')
  await bindByHand(vf(2), 'vfio-pci')
  await del(pod, conf)
  expect(driverOf(vf(2))).toBe('igbvf')
})

test('an attachment of intel 0.x in DPDK mode', async () => {
  const pod = await newPod()
  await must('modprobe', 'vfio-pci')
  await bindByHand(vf(2), 'vfio-pci')
  await ip(`link set ${PF} vf 2 vlan 21`)
  mkdirSync(STATE_FOLDER, { recursive: true })
  const record = {
    pci_addr: vf(2).pci,
    ifname: DEFAULT_IFNAME,
    kernel_driver: 'igbvf',
    dpdk_driver: 'vfio-pci',
    dpdk_tool: '/opt/dpdk/tools/dpdk-devbind.py',
    vfid: 2,
  }
  writeFileSync(`${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}`, JSON.stringify(record))
  const conf = { name: 'lab', type: 'sriov', if0: PF, dpdk: { dpdk_driver: 'vfio-pci' } }
  expect((await failing('ADD', await newPod(), { ...conf, vf: 2 })).code).toBe(IN_USE)
  await del(pod, conf)
  expect([driverOf(vf(2)), (await settingsOf(vf(2))).vlan_list]).toEqual(['igbvf', [{}]])
  // That plugin kept neither the interface's name nor its MAC.
  await host.prepare(async () => undefined)
})
