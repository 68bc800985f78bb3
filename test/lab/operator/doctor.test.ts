import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openConf } from '../calls/choosing.js'
import { findings } from '../calls/ctl.js'
import { add, type Conf, DEFAULT_IFNAME, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, type Pod, removePod } from '../calls/pods.js'
import { removePolicy, setPolicy } from '../calls/policy.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { ip, shell } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, PF_PCI, VFS, vf } from '../host/virtual-functions.js'
import { type Fault, foundAndMended } from './doctor-fault.js'

const host = untouchedHost()

const NETWORKS = '/etc/cni/net.d'
const FILE = `${NETWORKS}/99-doctor.conflist`
const KUBELET = '/var/lib/kubelet/device-plugins'
const CHECKPOINT = `${KUBELET}/kubelet_internal_checkpoint`
const HUGEPAGES = '/proc/sys/vm/nr_hugepages'

function configure(plugin: Conf): void {
  mkdirSync(NETWORKS, { recursive: true })
  const { cniVersion, name, ...rest } = openConf(plugin)
  writeFileSync(FILE, JSON.stringify({ cniVersion, name, plugins: [rest] }, undefined, 2))
}

function writeCheckpoint(text: string): void {
  mkdirSync(KUBELET, { recursive: true })
  writeFileSync(CHECKPOINT, text)
}

beforeEach(() => void mkdirSync(STATE_FOLDER, { recursive: true, mode: 0o700 }))

afterEach(() => {
  removePolicy()
  rmSync(FILE, { force: true })
  rmSync(CHECKPOINT, { force: true })
})

let pod: Pod | undefined
const CONF = netConf(vf(2), { ...ALL_SETTINGS, ...hostLocal() })
const attach = async (): Promise<undefined> => {
  pod = await newPod()
  await add(pod, CONF)
}
const recordOf = () => `${STATE_FOLDER}/${pod?.containerId}-${DEFAULT_IFNAME}`
const release = async () => {
  await (pod && del(pod, CONF))
}
const releaseIfAttached = async () => {
  if (existsSync(recordOf())) {
    await release()
  }
  pod = undefined
}

const done = async (work: Promise<unknown>): Promise<undefined> => {
  await work
}

const FAULTS: readonly Fault[] = [
  { id: 'pf-down', severity: 'error', plant: () => done(ip(`link set ${PF} down`)) },
  {
    id: 'pf-no-interface',
    severity: 'warning',
    async plant() {
      const away = await newPod()
      await ip(`link set ${PF} netns ${away.name}`)
      return () => shell(`ip -n ${away.name} link set ${PF} netns 1; ip link set ${PF} up; sleep 1`)
    },
  },
  {
    id: 'no-vfs',
    severity: 'warning',
    async plant() {
      await shell(`echo 0 > /sys/bus/pci/devices/${PF_PCI}/sriov_numvfs`)
      return () => shell(`echo 7 > /sys/bus/pci/devices/${PF_PCI}/sriov_numvfs`)
    },
    tidy: () => shell(`n=/sys/bus/pci/devices/${PF_PCI}/sriov_numvfs; [ "$(cat $n)" != 0 ] || echo 7 > $n; sleep 2`),
  },
  {
    id: 'vf-no-driver',
    severity: 'error',
    plant: () => done(shell(`echo ${vf(2).pci} > /sys/bus/pci/devices/${vf(2).pci}/driver/unbind`)),
  },
  { id: 'vf-vlan-of-nobody', severity: 'warning', plant: () => done(ip(`link set ${PF} vf 3 vlan 7`)) },
  {
    id: 'vf-settings-changed',
    severity: 'error',
    async plant() {
      await attach()
      await ip(`link set ${PF} vf 2 vlan 110`)
      await ip(`link set ${PF} vf 2 spoofchk on`)
      return undefined
    },
    tidy: releaseIfAttached,
  },
  {
    id: 'driver-override-left',
    severity: 'warning',
    plant: () => done(shell(`echo vfio-pci > /sys/bus/pci/devices/${vf(4).pci}/driver_override`)),
  },
  {
    id: 'mac-twice',
    severity: 'error',
    plant: () =>
      done(shell(`ip link set ${PF} vf 4 mac 02:00:00:00:77:77; ip link set ${PF} vf 5 mac 02:00:00:00:77:77`)),
    tidy: () => shell(`for n in 4 5; do ip link set ${PF} vf $n mac 00:00:00:00:00:00; done`),
  },
  {
    id: 'vf-leaked',
    severity: 'warning',
    async plant() {
      await attach()
      await (pod && removePod(pod))
      return undefined
    },
  },
  {
    id: 'vf-unfinished',
    severity: 'warning',
    async plant() {
      await attach()
      // As a DEL leaves it that was killed after its first step.
      await shell(`sed -i 's/"phase":"attached"/"phase":"releasing"/' ${recordOf()}`)
      return undefined
    },
  },
  {
    id: 'vf-record-lost',
    severity: 'warning',
    async plant() {
      await attach()
      rmSync(recordOf())
      return release
    },
  },
  {
    id: 'vf-elsewhere',
    severity: 'warning',
    async plant() {
      const away = await newPod()
      await ip(`link set ${vf(5).name} netns ${away.name}`)
      return () => ip(`-n ${away.name} link set ${vf(5).name} netns 1`)
    },
  },
  {
    id: 'record-unreadable',
    severity: 'warning',
    async plant() {
      await attach()
      writeFileSync(recordOf(), '{')
      return release
    },
    tidy: () => shell(`rm -f ${STATE_FOLDER}/.unreadable-*`),
  },
  {
    id: 'record-of-gone-device',
    severity: 'warning',
    async plant() {
      await attach()
      await shell(`echo 0 > /sys/bus/pci/devices/${PF_PCI}/sriov_numvfs`)
      return () => shell(`echo 7 > /sys/bus/pci/devices/${PF_PCI}/sriov_numvfs`)
    },
    tidy: () => shell(`n=/sys/bus/pci/devices/${PF_PCI}/sriov_numvfs; [ "$(cat $n)" != 0 ] || echo 7 > $n; sleep 2`),
  },
  {
    id: 'claim-broken',
    severity: 'warning',
    async plant() {
      writeFileSync(`${STATE_FOLDER}/.vf-${vf(1).pci}`, '{')
      return undefined
    },
  },
  {
    id: 'state-untrusted',
    severity: 'error',
    plant: () => done(shell(`chown 1000 ${STATE_FOLDER}`)),
  },
  {
    id: 'state-full',
    severity: 'error',
    async plant() {
      await shell(`mount -t tmpfs -o size=128k,mode=700 tmpfs ${STATE_FOLDER}`)
      return () => shell(`umount ${STATE_FOLDER}`)
    },
  },
  {
    id: 'state-not-writable',
    severity: 'error',
    async plant() {
      await shell(`mount -t tmpfs -o ro,mode=700 tmpfs ${STATE_FOLDER}`)
      return () => shell(`umount ${STATE_FOLDER}`)
    },
  },
  {
    id: 'policy-wrong',
    severity: 'error',
    async plant() {
      setPolicy({ vlans: 'all' })
      return removePolicy
    },
  },
  {
    id: 'kubelet-checkpoint-unknown',
    severity: 'error',
    async plant() {
      writeCheckpoint('not a checkpoint')
      return () => rmSync(CHECKPOINT)
    },
  },
  {
    id: 'pool-and-choice',
    severity: 'warning',
    async plant() {
      writeCheckpoint(JSON.stringify({ Data: { RegisteredDevices: { 'example.com/vfs': VFS.map(({ pci }) => pci) } } }))
      configure({ master: PF })
      return () => rmSync(CHECKPOINT)
    },
  },
  ...(
    [
      ['conf-invalid', { master: PF, vlan: 5000 }],
      ['conf-pf-missing', { master: 'ens99f9' }],
      ['conf-device-missing', { deviceID: '0000:99:00.1' }],
      ['ipam-missing', { master: PF, ipam: { type: 'no-such-ipam' } }],
    ] as const
  ).map(
    ([id, plugin]): Fault => ({
      id,
      severity: 'error',
      async plant() {
        configure(plugin)
        return () => configure({ master: PF })
      },
    }),
  ),
  {
    id: 'driver-missing',
    severity: 'error',
    async plant() {
      setPolicy({ dpdkDrivers: ['no_such_driver'] })
      configure({ master: PF, dpdk: { dpdk_driver: 'no_such_driver' } })
      await shell(`echo 16 > ${HUGEPAGES}`)
      return () => configure({ master: PF })
    },
  },
  {
    id: 'hugepages-none',
    severity: 'warning',
    async plant() {
      configure({ master: PF, dpdk: { dpdk_driver: 'vfio-pci' } })
      await shell(`echo 0 > ${HUGEPAGES}`)
      return undefined
    },
    tidy: () => shell(`echo 0 > ${HUGEPAGES}`),
  },
]

describe('the doctor', () => {
  test('finds nothing on a healthy host', async () => {
    expect(await findings()).toEqual([])
  })

  test.each(FAULTS)('$id: found, mended as it says, and not found again', async (fault) => {
    try {
      await foundAndMended(fault)
    } finally {
      await releaseIfAttached()
      // Interfaces of new VFs have the kernel's names: the host is made again.
      await host.prepare(() => Promise.resolve())
    }
  })
})
