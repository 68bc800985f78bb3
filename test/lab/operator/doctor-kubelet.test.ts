import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, test } from 'vitest'
import { openConf } from '../calls/choosing.js'
import { BIN_DIR, type Conf, PLUGIN } from '../calls/plugin.js'
import { startResident, stopResident } from '../calls/resident.js'
import { shell } from '../host/process.js'
import { LEASE_FOLDER, STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'
import { type Fault, foundAndMended } from './doctor-fault.js'

untouchedHost()

const NETWORKS = '/etc/cni/net.d'
const FILE = `${NETWORKS}/99-doctor.conflist`
const KUBELET = '/var/lib/kubelet'
const POOLS = '/etc/pcidp'
const SYSTEMCTL = '/usr/local/bin/systemctl'
const OLD_IPAM = `${BIN_DIR}/old-ipam`

afterEach(async () => {
  for (const path of [FILE, KUBELET, POOLS, OLD_IPAM]) {
    rmSync(path, { recursive: true, force: true })
  }
  await stopResident()
})

function configure(plugin: Conf): void {
  mkdirSync(NETWORKS, { recursive: true })
  const { cniVersion, name, ...rest } = openConf(plugin)
  writeFileSync(FILE, JSON.stringify({ cniVersion, name, plugins: [rest] }))
}

function offer(...resourceList: object[]): void {
  mkdirSync(POOLS, { recursive: true })
  writeFileSync(`${POOLS}/config.json`, JSON.stringify({ resourceList }))
}

/** What kubelet has written of its resources. */
function register(resources: object): void {
  mkdirSync(`${KUBELET}/device-plugins`, { recursive: true })
  writeFileSync(
    `${KUBELET}/device-plugins/kubelet_internal_checkpoint`,
    JSON.stringify({ Data: { RegisteredDevices: resources } }),
  )
}

const FAULTS: readonly Fault[] = [
  {
    id: 'kubelet-resource-empty',
    severity: 'warning',
    async plant() {
      offer({ resourceName: 'vfs', selectors: [{ drivers: ['iavf'] }] })
      register({ 'intel.com/vfs': null })
      return () => {
        offer({ resourceName: 'vfs' })
        register({ 'intel.com/vfs': [vf(0).pci] })
      }
    },
  },
  {
    id: 'pool-conf-invalid',
    severity: 'error',
    async plant() {
      offer({ resourceName: 'vfs', selectors: [{ vdpaType: 'vhost' }] })
      return () => offer({ resourceName: 'vfs' })
    },
  },
  {
    id: 'pool-overlap',
    severity: 'warning',
    async plant() {
      offer({ resourceName: 'vfs' }, { resourceName: 'more', selectors: [{ pfNames: [PF] }] })
      return () => offer({ resourceName: 'vfs' })
    },
  },
  {
    id: 'ipam-too-old',
    severity: 'error',
    async plant() {
      writeFileSync(OLD_IPAM, '#!/bin/sh\necho \'{"cniVersion":"0.4.0","supportedVersions":["0.4.0"]}\'\n', {
        mode: 0o755,
      })
      configure({ master: PF, ipam: { type: 'old-ipam' } })
      return () => configure({ master: PF })
    },
  },
  {
    id: 'ipam-missing',
    severity: 'error',
    async plant() {
      const answer = '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}'
      writeFileSync(OLD_IPAM, `#!/bin/sh\necho '${answer}'\n`, { mode: 0o644 })
      configure({ master: PF, ipam: { type: 'old-ipam' } })
      return undefined
    },
  },
  {
    id: 'ipam-lease-empty',
    severity: 'warning',
    async plant() {
      await shell(`mkdir -p ${LEASE_FOLDER}/lab; touch -d -1hour ${LEASE_FOLDER}/lab/10.9.0.7`)
      return undefined
    },
  },
  {
    id: 'plugin-missing',
    severity: 'warning',
    async plant() {
      configure({ master: PF })
      renameSync(PLUGIN, `${PLUGIN}.away`)
      return () => renameSync(`${PLUGIN}.away`, PLUGIN)
    },
    tidy: () => shell(`[ -e ${PLUGIN} ] || mv ${PLUGIN}.away ${PLUGIN}`),
  },
  {
    id: 'resident-hung',
    severity: 'error',
    async plant() {
      const { pid } = await startResident()
      // The guest has no systemd: what it would type for the remedy makes the process go on.
      writeFileSync(SYSTEMCTL, `#!/bin/sh\nkill -CONT ${pid}\n`, { mode: 0o755 })
      process.kill(pid, 'SIGSTOP')
      return undefined
    },
    async tidy() {
      rmSync(SYSTEMCTL)
    },
  },
  {
    id: 'vf-state-untold',
    severity: 'error',
    async plant() {
      const claim = `${STATE_FOLDER}/.vf-${vf(1).pci}`
      await shell(`mkdir -p -m 700 ${STATE_FOLDER}; echo '{}' > ${claim}; chown 1000 ${claim}`)
      return () => rmSync(claim, { force: true })
    },
    tidy: () => shell(`rm -f ${STATE_FOLDER}/.vf-${vf(1).pci}`),
  },
]

test.each(FAULTS)('the doctor finds $id, its remedy mends it, and it is not found again', foundAndMended)
