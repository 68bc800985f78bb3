/** podman with its CNI backend. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Conf, hostLocal, netConf } from '../calls/plugin.js'
import { settingsOf } from '../host/kernel-view.js'
import { ip, must, type Output, run, shell } from '../host/process.js'
import { LEASE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const ROOTFS = '/run/podman-rootfs'
const CONF_DIR = '/etc/cni/net.d'
const MAC = '02:00:00:00:0e:01'
const BRIDGE = 'cni-podman9'
const VF = vf(0)
const SHOW = ['/bin/busybox', 'ip', 'addr', 'show'] as const

const OURS = netConf(VF, { vlan: 100, mac: MAC, mtu: 1400, ...hostLocal() })
const BRIDGED: Conf = { name: 'bridged', type: 'bridge', bridge: BRIDGE, ...hostLocal('10.8.0.0/24') }

function writeNetwork({ cniVersion: _version, name, ...plugin }: Conf): void {
  writeFileSync(`${CONF_DIR}/${name}.conflist`, JSON.stringify({ cniVersion: '0.4.0', name, plugins: [plugin] }))
}

const GLOBAL = [
  ...['--storage-driver', 'vfs', '--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
]
const podman = (...args: string[]): Promise<string> => must('podman', ...GLOBAL, ...args)
const tryPodman = (...args: string[]): Promise<Output> => run('podman', [...GLOBAL, ...args])

const runDetached = (name: string, ...networks: string[]): Promise<Output> =>
  tryPodman(
    ...['run', '-d', '--name', name, ...networks.flatMap((network) => ['--network', network])],
    ...['--rootfs', ROOTFS, '/bin/sleep', '600'],
  )

beforeAll(async () => {
  await shell(`mkdir -p ${ROOTFS}/{bin,proc,sys,dev,etc,tmp,run}; cp /bin/busybox ${ROOTFS}/bin/
    ln -sf busybox ${ROOTFS}/bin/sh; ln -sf busybox ${ROOTFS}/bin/sleep`)
  mkdirSync(CONF_DIR, { recursive: true })
  writeNetwork(OURS)
  writeNetwork(BRIDGED)
  await ip(`link add ${BRIDGE} address 02:00:00:00:c0:02 type bridge`)
  await ip(`link set ${BRIDGE} up`)
})

afterAll(async () => {
  await ip(`link del ${BRIDGE}`)
  for (const path of [CONF_DIR, ROOTFS]) {
    rmSync(path, { recursive: true, force: true })
  }
})

afterEach(() => tryPodman('rm', '--all', '--force', '--time', '0'))

test('a container has its VF, which goes back when it ends', async () => {
  const shown = await podman('run', '--rm', '--network', 'lab', '--rootfs', ROOTFS, ...SHOW)
  expect(shown).toMatch(new RegExp(`mtu 1400.*link/ether ${MAC}.*inet 10\\.9\\.0\\.\\d+/24`, 's'))
  expect(readdirSync(LEASE_FOLDER)).toContain('lab')
})

test('beside a bridge; another container with the VF is refused; killed with the program that watches it', async () => {
  expect(await runDetached('first', 'bridged', 'lab')).toMatchObject({ exitCode: 0 })
  expect(await podman('exec', 'first', ...SHOW)).toMatch(/10\.8\.0\..*10\.9\.0\./s)
  expect(await settingsOf(VF)).toMatchObject({ address: MAC, vlan_list: [{ vlan: 100 }] })
  const { exitCode, stderr } = await runDetached('second', 'bridged', 'lab')
  expect(exitCode).not.toBe(0)
  expect(stderr).toContain(`VF 0 of ens1f0 (${VF.pci}) is in use by container`)
  await podman('rm', 'second')
  await shell(`kill -KILL ${await podman('inspect', '--format', '{{.State.ConmonPid}} {{.State.Pid}}', 'first')}`)
  await podman('rm', '--force', '--time', '0', 'first')
  expect(await host.differences()).toEqual([])
})

test('a network is taken from a running container and given again', async () => {
  await runDetached('moving', 'bridged', 'lab')
  await podman('network', 'disconnect', 'lab', 'moving')
  expect(await podman('exec', 'moving', ...SHOW)).not.toContain('10.9.0.')
  await podman('network', 'connect', 'lab', 'moving')
  expect(await podman('exec', 'moving', ...SHOW)).toContain('10.9.0.')
  await podman('rm', '--force', '--time', '0', 'moving')
  expect(await host.differences()).toEqual([])
})
