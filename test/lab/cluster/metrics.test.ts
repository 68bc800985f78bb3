import { request } from 'node:http'
import { afterEach, expect, test, vi } from 'vitest'
import { add, del, failing, netConf } from '../calls/plugin.js'
import { canPing, inPod, newPod } from '../calls/pods.js'
import { settingsOf } from '../host/kernel-view.js'
import { PATIENCE_MS } from '../host/patience.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'
import { startDevicePlugin, stopDevicePlugin } from './device-plugin.js'

const host = untouchedHost()
// Before the host is compared: hooks run in reverse order.
afterEach(stopDevicePlugin)

const SOCKET = '/run/sriov-cni/metrics.sock'
const RESOURCE = 'intel.com/vfs'
const CART = { env: { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=uid-a' } }

/** What Prometheus would read: the values by name and labels. */
const scrape = (): Promise<ReadonlyMap<string, number>> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath: SOCKET, path: '/metrics' }, (response) => {
      let text = ''
      response.on('data', (part) => {
        text += part
      })
      response.on('end', () =>
        resolve(
          new Map(
            text
              .split('\n')
              .filter((line) => line !== '' && !line.startsWith('#'))
              .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
          ),
        ),
      )
    })
    asked.on('error', reject)
    asked.end()
  })

/** The values of one VF, by the name of the counter. */
async function trafficOf(pci: string): Promise<Readonly<Record<string, number>>> {
  const own = [...(await scrape())].filter(([key]) => key.startsWith('sriov_vf_') && key.includes(`pciAddr="${pci}"`))
  return Object.fromEntries(own.map(([key, value]) => [key.slice(0, key.indexOf('{')), value]))
}

test('metrics of a node: calls, states, pools, and the traffic of a VF in its pod', async () => {
  const pool = { resourceName: 'vfs', selectors: [{ pfNames: [PF] }] }
  const { kubelet, sees, printed } = await startDevicePlugin([pool], { args: ['--metrics', SOCKET] })
  await sees(RESOURCE, 7, 7)
  await kubelet.admit('uid-a', RESOURCE, 2)
  const pods = [await newPod(), await newPod()] as const
  for (const [i, pod] of pods.entries()) {
    await add(pod, netConf(vf(i), { vlan: 100 }), CART)
    await inPod(pod, 'ip', 'addr', 'add', `10.7.0.${i + 1}/24`, 'dev', 'net1')
  }
  await failing('ADD', await newPod(), netConf(vf(0), { vlan: 5000 }))
  expect(await canPing(pods[0], '10.7.0.2')).toBe(true)
  const before = await trafficOf(vf(0).pci)
  await inPod(pods[0], 'ping', '-c', '5', '-i', '0.2', '10.7.0.2')
  const since = async (name: string) => ((await trafficOf(vf(0).pci))[name] ?? 0) - (before[name] ?? 0)
  // The driver counts every two seconds.
  await vi.waitFor(
    async () => {
      expect(await since('sriov_vf_tx_packets')).toBeGreaterThanOrEqual(5)
      expect(await since('sriov_vf_rx_bytes')).toBeGreaterThanOrEqual(5 * 84)
    },
    { timeout: PATIENCE_MS, interval: 1_000 },
  )

  const all = await scrape()
  const value = (key: string) => all.get(key)
  expect(value('sriov_calls_total{verb="ADD",code="0"}')).toBe(2)
  expect(value('sriov_calls_total{verb="ADD",code="7"}')).toBe(1)
  expect(value(`sriov_vfs{pf="${PF}",state="in-use"}`)).toBe(2)
  expect(value(`sriov_pool_devices{resource="${RESOURCE}",state="used"}`)).toBe(2)
  expect(value(`sriov_pool_devices{resource="${RESOURCE}",state="free"}`)).toBe(5)
  expect([...all.keys()].find((key) => key.startsWith('sriov_vf_rx_bytes') && key.includes(vf(0).pci))).toContain(
    'namespace="shop",pod="cart-0"',
  )
  for (const phase of ['lock', 'choose', 'pf', 'netdev', 'move']) {
    expect(value(`sriov_phase_duration_seconds_count{verb="ADD",phase="${phase}"}`)).toBe(2)
  }
  expect(value('sriov_gc_candidates')).toBe(0)
  for (const part of ['vfs', 'kubelet', 'calls', 'traffic']) {
    expect(value(`sriov_collect_errors_total{part="${part}"}`), printed().stderr).toBe(0)
  }
  expect((await settingsOf(vf(0))).vlan_list).toMatchObject([{ vlan: 100 }])
  for (const [i, pod] of pods.entries()) {
    await del(pod, netConf(vf(i), { vlan: 100 }), CART)
  }
  await stopDevicePlugin()
  expect(await host.differences()).toEqual([])
})
