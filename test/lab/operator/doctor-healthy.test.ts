import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openConf, pfConf } from '../calls/choosing.js'
import { findings, SRIOVCTL } from '../calls/ctl.js'
import { example } from '../calls/examples.js'
import { attachAsGoPlugin } from '../calls/go-plugin.js'
import { add, type CallOptions, type Conf, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, type Pod, removePod } from '../calls/pods.js'
import { removePolicy, setPolicy } from '../calls/policy.js'
import { startResident, stopResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { bindByHand } from '../host/drivers.js'
import { ip, run, shell } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { OTHER_PF, PF, VFS, type Vf, vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const NETWORKS = '/etc/cni/net.d'
const KUBELET = '/var/lib/kubelet'
const POOLS = '/etc/pcidp'
const HUGEPAGES = '/proc/sys/vm/nr_hugepages'
const VFIO = { dpdk_driver: 'vfio-pci' }

type Undo = () => Promise<unknown>
const NOTHING: Undo = async () => undefined

beforeAll(() => shell(`modprobe vfio-pci; echo 16 > ${HUGEPAGES}`))
afterAll(() => shell(`echo 0 > ${HUGEPAGES}`))
afterEach(async () => {
  removePolicy()
  for (const path of [`${NETWORKS}/99-healthy.conflist`, `${NETWORKS}/98-bridge.conflist`, KUBELET, POOLS]) {
    rmSync(path, { recursive: true, force: true })
  }
  await stopResident()
})

/** A pod with networks, each by the name of its interface. */
async function podWith(
  networks: Readonly<Record<string, Conf>>,
  options: CallOptions = {},
): Promise<{ pod: Pod; undo: Undo }> {
  const pod = await newPod()
  for (const [ifName, conf] of Object.entries(networks)) {
    await add(pod, conf, { ...options, ifName })
  }
  return {
    pod,
    async undo() {
      for (const [ifName, conf] of Object.entries(networks)) {
        await del(pod, conf, { ...options, ifName })
      }
    },
  }
}

const attached = async (conf: Conf): Promise<Undo> => (await podWith({ net1: conf })).undo

const all = (undos: readonly Undo[]): Undo => {
  return async () => {
    for (const undo of undos) {
      await undo()
    }
  }
}

function configure(file: string, ...plugins: Conf[]): void {
  mkdirSync(NETWORKS, { recursive: true })
  writeFileSync(`${NETWORKS}/${file}`, JSON.stringify({ cniVersion: '1.0.0', name: 'healthy', plugins }))
}

function register(devices: readonly Vf[], given: readonly Vf[] = []): void {
  const resource = 'example.com/vfs'
  mkdirSync(`${KUBELET}/device-plugins`, { recursive: true })
  const entries = given.map(({ pci }) => ({
    PodUID: 'f3a1',
    ContainerName: 'c',
    ResourceName: resource,
    DeviceIDs: { '0': [pci] },
  }))
  const data = { PodDeviceEntries: entries, RegisteredDevices: { [resource]: devices.map(({ pci }) => pci) } }
  writeFileSync(`${KUBELET}/device-plugins/kubelet_internal_checkpoint`, JSON.stringify({ Data: data }))
}

const SET_UPS: readonly (readonly [string, () => Promise<Undo>])[] = [
  ['nothing is attached', async () => NOTHING],
  ['a pod has a VF as it is', () => attached(netConf(vf(0)))],
  [
    'a pod has a VF with every setting and an address',
    () => attached(netConf(vf(0), { ...ALL_SETTINGS, ...hostLocal() })),
  ],
  [
    'all VFs of a card are in pods',
    async () => {
      const undos: Undo[] = []
      for (const one of VFS) {
        undos.push(await attached(netConf(one, { vlan: 100 + one.index })))
      }
      return all(undos)
    },
  ],
  [
    'a pod has two VFs in two VLANs',
    async () => (await podWith({ net1: netConf(vf(1), { vlan: 11 }), net2: netConf(vf(2), { vlan: 12 }) })).undo,
  ],
  ['a VF was chosen', () => attached(pfConf({ vlan: 100, ...hostLocal() }))],
  ['a VF was chosen by selectors', () => attached(openConf({ selectors: { pfNames: [OTHER_PF] } }))],
  ['a pod has a PF', () => attached(example('20-opnfv-pf.conflist'))],
  ['a DPDK program has a VF', () => attached(netConf(vf(2), { vlan: 21, mac: '02:00:00:00:21:02', dpdk: VFIO }))],
  [
    'the operator keeps a VF on vfio-pci',
    async () => {
      await bindByHand(vf(3), 'vfio-pci')
      return () => bindByHand(vf(3), 'igbvf')
    },
  ],
  [
    'the host has an address on a VF',
    async () => {
      await ip(`address add 192.0.2.9/24 dev ${vf(4).name}`)
      return () => ip(`address flush dev ${vf(4).name}`)
    },
  ],
  [
    'a VF is a port of a bridge of the host',
    async () => {
      await shell(`ip link add br-lab type bridge; ip link set ${vf(4).name} master br-lab`)
      return () => shell('ip link del br-lab')
    },
  ],
  [
    'a VF is up, and has another name and MTU',
    async () => {
      await shell(
        `ip link set ${vf(5).name} mtu 1400; ip link set ${vf(5).name} name storage0; ip link set storage0 up`,
      )
      return () =>
        shell(`ip link set storage0 down; ip link set storage0 name ${vf(5).name}; ip link set ${vf(5).name} mtu 1500`)
    },
  ],
  [
    'a pod has renamed its interface, and gave it addresses and a MAC',
    async () => {
      const { pod, undo } = await podWith({ net1: netConf(vf(0), { trust: 'on', spoofchk: 'off' }) })
      await shell(
        `ip -n ${pod.name} link set net1 down; ip -n ${pod.name} link set net1 name data0 address 02:00:00:00:55:55;
         ip -n ${pod.name} address add 192.0.2.77/24 dev data0; ip -n ${pod.name} link set data0 up mtu 1400`,
      )
      return undo
    },
  ],
  [
    'the resident process carries out the calls',
    async () => {
      await startResident()
      return attached(netConf(vf(0), { vlan: 100, ...hostLocal() }))
    },
  ],
  [
    'networks of this and other plugins are configured',
    async () => {
      configure('99-healthy.conflist', { type: 'sriov', master: PF, vlan: 100, ...hostLocal() })
      configure('98-bridge.conflist', { type: 'bridge', bridge: 'br0', ...hostLocal() }, { type: 'portmap' })
      return NOTHING
    },
  ],
  [
    'kubelet hands out the VFs of a card, and a pod has one of them',
    async () => {
      mkdirSync(POOLS, { recursive: true })
      writeFileSync(
        `${POOLS}/config.json`,
        JSON.stringify({
          resourceList: [{ resourceName: 'vfs', resourcePrefix: 'example.com', selectors: [{ pfNames: [PF] }] }],
        }),
      )
      register(VFS, [vf(0)])
      return attached(netConf(vf(0), { vlan: 100 }))
    },
  ],
  [
    'a pod of the Go sriov-cni is alive',
    async () => {
      const pod = await newPod()
      const conf = netConf(vf(6), { vlan: 44 })
      await attachAsGoPlugin(pod, vf(6), conf, { vlan: 44 })
      return () => del(pod, conf)
    },
  ],
  [
    'a policy is in force',
    async () => {
      setPolicy({ dpdkDrivers: ['vfio-pci'] })
      return attached(netConf(vf(0), { dpdk: VFIO, mac: '02:00:00:00:21:03' }))
    },
  ],
  [
    'pods came and went, one without its DEL until now',
    async () => {
      const conf = netConf(vf(1), { vlan: 9, ...hostLocal() })
      for (let i = 0; i < 2; i++) {
        const { pod, undo } = await podWith({ net1: conf })
        await removePod(pod)
        await undo()
      }
      return NOTHING
    },
  ],
  [
    'the other card has three VFs',
    async () => {
      const file = `/sys/class/net/${OTHER_PF}/device/sriov_numvfs`
      await shell(`echo 0 > ${file}; echo 3 > ${file}; sleep 1`)
      return () => shell(`echo 0 > ${file}; echo 7 > ${file}; sleep 2`)
    },
  ],
]

test.each(SET_UPS)('the doctor finds nothing when %s', async (_, setUp) => {
  mkdirSync(STATE_FOLDER, { recursive: true, mode: 0o700 })
  const undo = await setUp()
  try {
    expect(await findings()).toEqual([])
    const { stdout } = await run(SRIOVCTL, ['status', '--brief'])
    expect(stdout).toContain('all is well')
  } finally {
    await undo()
    await host.prepare(() => Promise.resolve())
  }
})
