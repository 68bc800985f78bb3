import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openConf } from '../calls/choosing.js'
import { BIN_DIR, type Conf, hostLocal, netConf, startCall, type Verb } from '../calls/plugin.js'
import { newPod, type Pod } from '../calls/pods.js'
import { startResident, stopResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { bindByHand, driverOf } from '../host/drivers.js'
import { link } from '../host/kernel-view.js'
import { run, shell } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'

const UNIT = readFileSync('deploy/sriov-cni.service', 'utf8')
const CAPABILITIES = [...UNIT.matchAll(/^CapabilityBoundingSet=(.*)$/gm)].flatMap(([, names = '']) =>
  names.split(' ').filter((name) => name !== ''),
)
const LOG = '/var/log/sriov-privileges/plugin.log'

const host = untouchedHost()

// No call may be answered by a process of its own, which has all capabilities.
const ONE_SHOT = `${BIN_DIR}/.sriov/current/start.cjs`
beforeAll(() => renameSync(ONE_SHOT, `${ONE_SHOT}.away`))
afterAll(() => renameSync(`${ONE_SHOT}.away`, ONE_SHOT))

afterEach(() => stopResident())

const without = (capabilities: readonly string[]): readonly string[] => [
  'setpriv',
  '--no-new-privs',
  '--inh-caps=-all',
  `--bounding-set=-all${capabilities.map((name) => `,+${name.replace('CAP_', '').toLowerCase()}`).join('')}`,
]

/** One thing that the resident process is for. Resolves to what went wrong. */
type Step = () => Promise<string | undefined>

async function called(verb: Verb, pod: Pod, conf: Conf): Promise<string | undefined> {
  const { exitCode, stdout, stderr } = await startCall(verb, pod, conf).done
  return exitCode === 0 ? undefined : `${verb}: ${stdout}${stderr}`
}

/** ADD, something in between, and DEL. */
const cycle =
  (conf: Conf, between: (pod: Pod) => Promise<unknown> = async () => undefined): Step =>
  async () => {
    const pod = await newPod()
    const added = await called('ADD', pod, conf)
    await between(pod)
    return added ?? (await called('DEL', pod, conf))
  }

const DUAL_STACK = {
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.9.0.0/24' }], [{ subnet: '2001:db8::/64' }]] },
}

const STEPS: Readonly<Record<string, Step>> = {
  'all settings, addresses and a log': cycle(
    netConf(vf(2), { ...ALL_SETTINGS, ...DUAL_STACK, logLevel: 'debug', logFile: LOG }),
  ),
  'a VF that is chosen': cycle(openConf({ master: PF, vlan: 7, ...hostLocal() })),
  'a pod whose namespace is gone': cycle(netConf(vf(2), hostLocal()), ({ name }) => shell(`ip netns del ${name}`)),
  'a pod whose namespace lives on in a process of another user': cycle(netConf(vf(2)), ({ name }) =>
    shell(`ip netns exec ${name} setpriv --reuid=12345 --regid=12345 --clear-groups sleep 600 >/dev/null 2>&1 &
      sleep 0.5; umount /run/netns/${name}; rm /run/netns/${name}`),
  ),
  'DPDK by its tool, with a driver that is not loaded': async () => {
    await shell('modprobe -r vfio-pci vfio_pci_core || true')
    return cycle(netConf(vf(2), { dpdk: { dpdk_driver: 'vfio-pci', dpdk_tool: '/usr/bin/dpdk-devbind.py' } }))()
  },
  'a VF that a program of another user has open is not given': async () => {
    const { address } = await link(vf(3).name)
    await shell('modprobe vfio-pci')
    await bindByHand(vf(3), 'vfio-pci')
    const group = basename(readlinkSync(`/sys/bus/pci/devices/${vf(3).pci}/iommu_group`))
    await shell(`chown 12345 /dev/vfio/${group}
      setpriv --reuid=12345 --regid=12345 --clear-groups sh -c 'exec 3<>/dev/vfio/${group}; exec sleep 600' >/dev/null 2>&1 &
      sleep 0.5`)
    const { stdout } = await startCall('ADD', await newPod(), netConf(vf(3))).done
    await run('pkill', ['-u', '12345'])
    await bindByHand(vf(3), 'igbvf')
    // igbvf has made up another one.
    await shell(
      `ip link set ${vf(3).name} address ${address}; ip link set ${vf(3).name} up; ip link set ${vf(3).name} down`,
    )
    return stdout.includes('"code":102') && stdout.includes('(sleep)') ? undefined : `ADD: ${stdout}`
  },
  'DPDK through sysfs': cycle(netConf(vf(2), { dpdk: { dpdk_driver: 'vfio-pci' }, flr: true })),
}

async function problemsWith(capabilities: readonly string[]): Promise<Record<string, string>> {
  mkdirSync('/var/log/sriov-privileges', { recursive: true })
  const resident = await startResident(without(capabilities))
  const problems: Record<string, string> = {}
  for (const [name, step] of Object.entries(STEPS)) {
    const problem = await step().catch(String)
    if (problem !== undefined) {
      problems[name] = problem.slice(0, 300)
    }
    await run('pkill', ['-u', '12345'])
  }
  const said = await resident.stop()
  rmSync('/var/log/sriov-privileges', { recursive: true, force: true })
  expect(said.match(/"answered"|"msg":"/g)?.length ?? 0).toBeGreaterThan(0)
  return problems
}

test('the capabilities of the systemd unit are enough for everything', async () => {
  expect(CAPABILITIES.length).toBeGreaterThan(3)
  expect(await problemsWith(CAPABILITIES)).toEqual({})
  expect(driverOf(vf(2))).toBe('igbvf')
  expect(await host.differences()).toEqual([])
})
