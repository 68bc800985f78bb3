/** The whole life of a pod: kubelet gives it a device, a real runtime makes its container and calls the plugin. */
import { existsSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ctlJson } from '../calls/ctl.js'
import { BIN_DIR, type Conf, hostLocal, netConf } from '../calls/plugin.js'
import { settingsOf } from '../host/kernel-view.js'
import { must } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, VFS, type Vf, vf } from '../host/virtual-functions.js'
import { type Containerd, configureNetwork, startContainerd } from './containerd.js'
import { startDevicePlugin, stopDevicePlugin } from './device-plugin.js'

const host = untouchedHost()
// Before the host is compared: hooks run in reverse order.
afterEach(stopDevicePlugin)

const RESOURCE = 'intel.com/vfs'
const POOL = { resourceName: 'vfs', selectors: [{ pfNames: [PF] }] }
/** Multus is no package: MULTUS names a binary (scripts/lab --help). */
const MULTUS = '/lab/multus'

let containerd: Containerd

beforeAll(async () => {
  containerd = await startContainerd(netConf(vf(0)))
})

afterAll(() => containerd.stop())

const stateOf = async ({ pci }: Vf) =>
  (await ctlJson<{ vfs: { address: string; state: string; promise: unknown }[] }>('status')).vfs.find(
    ({ address }) => address === pci,
  )

/** What Multus hands to the plugin: the device that kubelet gave. */
const network = (device: string): Conf =>
  netConf(VFS.find(({ pci }) => pci === device) as Vf, { vlan: 100, ...hostLocal() })

async function liveAndDie(
  configure: (device: string) => Conf,
  interfaceInPod: string,
  tidy: () => Promise<unknown> = async () => undefined,
): Promise<void> {
  const { kubelet, sees, restart } = await startDevicePlugin([POOL])
  await sees(RESOURCE, 7, 7)
  const { devices, response } = await kubelet.admit('uid-a', RESOURCE, 1)
  const [device = ''] = devices
  const given = VFS.find(({ pci }) => pci === device) as Vf
  configureNetwork(configure(device))
  const ctr = await containerd.runGranted('life', response)
  expect(await containerd.exec('life', 'env')).toContain(`PCIDEVICE_INTEL_COM_VFS=${device}\n`)
  expect(await containerd.exec('life', `/bin/busybox ip addr show ${interfaceInPod}`)).toMatch(/inet 10\.9\.0\.\d+\/24/)
  expect(await settingsOf(given)).toMatchObject({ vlan_list: [{ vlan: 100 }] })
  expect(await stateOf(given)).toMatchObject({ state: 'in-use', promise: { resource: RESOURCE } })
  await restart('SIGKILL')
  await sees(RESOURCE, 7, 7)
  // It asks containerd by CRI.
  expect(await ctlJson('gc')).toEqual({ leftovers: [] })
  await must('ctr', 'task', 'kill', '-s', 'KILL', 'life')
  // ctr calls DEL and ends.
  await ctr.done
  kubelet.end('uid-a')
  expect(kubelet.healthy(RESOURCE)).toHaveLength(7)
  expect(await stateOf(given)).toMatchObject({ state: 'reserved' })
  await stopDevicePlugin()
  await tidy()
  expect(await host.differences()).toEqual([])
}

test('Allocate, a container of containerd with that device, its end, and the VF is free', async () => {
  await liveAndDie(network, 'eth0')
})

if (existsSync(MULTUS)) {
  test('the same with Multus, which gives the VF beside the default network', async () => {
    await must('cp', MULTUS, `${BIN_DIR}/multus`)
    const bridge = { cniVersion: '1.0.0', name: 'default', type: 'bridge', bridge: 'cni0', ...hostLocal('10.8.0.0/24') }
    await liveAndDie(
      (device) => ({
        cniVersion: '1.0.0',
        name: 'multus',
        type: 'multus',
        binDir: BIN_DIR,
        delegates: [bridge, network(device)],
      }),
      'net1',
      () => must('ip', 'link', 'del', 'cni0'),
    )
  })
}
