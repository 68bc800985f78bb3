/** What the doctor finds depends on the guest: its kernel, and what its machine is without (scripts/lab --without). */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openConf } from '../calls/choosing.js'
import { allFindings, findings } from '../calls/ctl.js'
import { failing, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { shell } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { ALL_VFS, PF, PF_PCI, vf } from '../host/virtual-functions.js'
import { type Fault, foundAndMended } from './doctor-fault.js'

untouchedHost()

const NETWORKS = '/etc/cni/net.d'
const FILE = `${NETWORKS}/99-doctor.conflist`
const HUGEPAGES = '/proc/sys/vm/nr_hugepages'
const GROUP = `/sys/bus/pci/devices/${vf(0).pci}/iommu_group/devices`
const VFIO = { dpdk_driver: 'vfio-pci' }

const [major = 0, minor = 0] = release().split('.').map(Number)
const hasParentDev = major > 5 || (major === 5 && minor >= 14)
const machine = !existsSync(GROUP)
  ? 'without an IOMMU'
  : readdirSync(GROUP).length > 1
    ? 'without ACS'
    : 'with IOMMU groups'

function configure(more: object): void {
  mkdirSync(NETWORKS, { recursive: true })
  const { cniVersion, name, ...rest } = openConf({ master: PF, ...more })
  writeFileSync(FILE, JSON.stringify({ cniVersion, name, plugins: [rest] }))
}

beforeEach(() => shell(`mkdir -p -m 700 ${STATE_FOLDER}; modprobe vfio-pci; echo 16 > ${HUGEPAGES}`))
afterEach(async () => {
  rmSync(FILE, { force: true })
  await shell(`echo 0 > ${HUGEPAGES}`)
})

test(`Linux ${major}.${minor}: the doctor says what it lacks, and that nothing is needed`, async () => {
  const lacking = (await allFindings()).filter(({ id }) => id === 'kernel-lacks')
  expect(lacking.map(({ severity, message }) => [severity, message])).toEqual(
    hasParentDev ? [] : [['info', expect.stringContaining('5.14')]],
  )
  expect(await findings()).toEqual([])
})

describe(`a machine ${machine}`, () => {
  test('the doctor finds what vfio-pci needs of it, where a network wants that, and ADD is refused for it', async () => {
    expect(await findings()).toEqual([])
    configure({ dpdk: VFIO })
    const found = await findings()
    const seen = new Set(found.map(({ id, severity }) => `${id} ${severity}`))
    switch (machine) {
      case 'without an IOMMU':
        expect([...seen]).toEqual(['iommu-off warning'])
        break
      case 'without ACS':
        expect([...seen]).toEqual(['iommu-group-shared warning'])
        expect(found[0]?.message).toContain(PF_PCI)
        expect(found).toHaveLength(ALL_VFS.length)
        break
      default:
        expect(found).toEqual([])
        return
    }
    const { msg } = await failing('ADD', await newPod(), netConf(vf(0), { dpdk: VFIO, mac: '02:00:00:00:21:00' }))
    expect(msg).toContain(machine === 'without ACS' ? PF_PCI : 'IOMMU')
  })
})

/** No kernel of the lab is like this: a file that says so, in the place of the kernel's. */
const shownInstead = async (path: string, file: string, text: string): Promise<() => Promise<unknown>> => {
  await shell(`rm -rf /tmp/shown; mkdir -p /tmp/shown/parameters; echo ${text} > /tmp/shown/${file}`)
  await shell(`mount --bind ${file === 'file' ? '/tmp/shown/file' : '/tmp/shown'} ${path}`)
  return () => shell(`umount ${path}`)
}

const SHOWN: readonly Fault[] = [
  {
    id: 'iommu-noiommu',
    severity: 'warning',
    async plant() {
      configure({ dpdk: VFIO })
      await shownInstead('/sys/module/vfio', 'parameters/enable_unsafe_noiommu_mode', 'Y')
      return () => shell('echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode')
    },
    tidy: () => shell('umount /sys/module/vfio'),
  },
  {
    id: 'kernel-too-old',
    severity: 'error',
    plant: () => shownInstead('/proc/sys/kernel/osrelease', 'file', '4.4.0-lab'),
  },
]

// Elsewhere the doctor has something else to say of the IOMMU.
if (machine === 'with IOMMU groups') {
  test.each(SHOWN)('$id: found, mended as it says, and not found again', foundAndMended)
}
