import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NODE_FOLDER } from '../../../src/cni/folders.js'
import { POLICY_FOLDER } from '../../../src/policy/policy.js'
import { ip, mountNetnsFolder } from '../netns.js'
import { DEVICES, macOf } from './devices.js'
import { cniEnvironment, type Installation, type Running, start } from './installation.js'

/**
 * A host with devices to give away: a network namespace of its own with veth interfaces, and a /sys that shows each as
 * the interface of a VF whose PF is out of sight. For the plugin, all of it is real but /sys/bus/pci/devices.
 */
export interface TestNode {
  /** In front of a command line: what runs on this host. */
  readonly within: readonly string[]
  readonly devices: readonly string[]
  /** How often the IPAM plugin was called, in order: `ADD pod-a`. */
  ipamCalls(): readonly string[]
  /** Lets the IPAM plugins go on that wait; `holdIpam` makes the next ones wait. */
  releaseIpam(): void
  holdIpam(): void
  /** Writes the policy of this host; without rules it has none. */
  setPolicy(rules?: object): void
  /** Starts a call of the plugin. */
  call(verb: string, options: NodeCall): Running
  /** Takes the lock of a device, as another call would; returns how to give it up. */
  lock(device: string): Promise<() => Promise<void>>
  /** The interfaces on the host, and the phases of the records. */
  interfaces(): readonly string[]
  remove(): void
}

export interface NodeCall {
  readonly container: string
  readonly netns: string
  readonly device?: string
  /** Keys of the configuration; or all of its text. */
  readonly conf?: object | string
  readonly within?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const IPAM = `#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID" >>"@/ipam-calls"
echo "the words of IPAM" >&2
[ "$CNI_COMMAND" = ADD ] || exit 0
while [ -e "@/hold-ipam" ]; do /bin/sleep 0.02; done
echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5/24"}]}'
`

/** Makes a host for an installation. */
export async function makeNode({ folder, plugin, socket }: Installation): Promise<TestNode> {
  const devices = DEVICES
  const sys = join(folder, 'pci')
  const bin = join(folder, 'ipam')
  const hold = join(folder, 'hold-ipam')
  const state = join(folder, 'state')
  mkdirSync(bin)
  writeFileSync(join(bin, 'gated'), IPAM.replaceAll('@', folder), { mode: 0o755 })
  devices.forEach((device, index) => {
    mkdirSync(join(sys, device, 'net', `vf${index}`), { recursive: true })
    symlinkSync('../../../bus/pci/drivers/fakevf', join(sys, device, 'driver'))
  })
  const mounted = [
    [state, NODE_FOLDER],
    [join(folder, 'policy'), POLICY_FOLDER],
    [join(folder, 'log'), '/var/log'],
    [join(folder, 'devinfo'), '/run/k8s.cni.cncf.io'],
  ] as const
  for (const one of mounted.flat()) {
    mkdirSync(one, { recursive: true })
  }
  const setUp = `${mounted.map(([from, at]) => `mount --bind ${from} ${at}`).join('; ')}
    mount -t sysfs sysfs /sys; mount --bind ${sys} /sys/bus/pci/devices; ip link set lo up
    ${DEVICES.map((_device, i) => `ip link add vf${i} address ${macOf(i)} type veth peer name peer${i}`).join('; ')}; echo ready; exec sleep 3600`
  mountNetnsFolder()
  const holder = spawn('unshare', ['--mount', '--propagation', 'slave', '--net', 'sh', '-ec', setUp], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => holder.stdout.once('data', resolve))
  const within = ['nsenter', '-t', String(holder.pid), '--mount', '--net']
  const lines = (path: string): string[] => {
    try {
      return readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    } catch {
      return []
    }
  }
  return {
    within,
    devices,
    ipamCalls: () => lines(join(folder, 'ipam-calls')),
    setPolicy(rules) {
      const file = join(folder, 'policy/policy.json')
      if (rules) {
        writeFileSync(file, JSON.stringify(rules))
      } else {
        rmSync(file, { force: true })
      }
    },
    holdIpam: () => writeFileSync(hold, ''),
    releaseIpam: () => rmSync(hold, { force: true }),
    call: (verb, { container, netns, device, conf = {}, within: more = [], env = {} }) =>
      start(plugin, [], {
        env: cniEnvironment(verb, {
          CNI_CONTAINERID: container,
          CNI_NETNS: netns,
          CNI_PATH: bin,
          SRIOV_CNI_SOCKET: socket,
          ...env,
        }),
        stdin:
          typeof conf === 'string'
            ? conf
            : JSON.stringify({
                cniVersion: verb === 'GC' || verb === 'STATUS' ? '1.1.0' : '1.0.0',
                name: 'lab',
                type: 'sriov',
                ...(device !== undefined && { deviceID: device }),
                ...conf,
              }),
        within: [...within, ...more],
      }),
    async lock(device) {
      const locks = join(state, 'pci/vf_lock')
      mkdirSync(locks, { recursive: true })
      const child = spawn('flock', [join(locks, `${device}.lock`), 'sh', '-c', 'echo held; exec sleep 3600'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await new Promise((resolve) => child.stdout.once('data', resolve))
      return async () => {
        execFileSync('pkill', ['-KILL', '-P', String(child.pid)])
        await new Promise((resolve) => child.once('close', resolve))
      }
    },
    interfaces: () =>
      JSON.parse(execFileSync(within[0] ?? '', [...within.slice(1), 'ip', '-j', 'link'], { encoding: 'utf8' }))
        .map(({ ifname }: { ifname: string }) => ifname)
        .filter((name: string) => name.startsWith('vf'))
        .sort(),
    remove() {
      // The empty folders stay: to remove one would take the mount from another run of the tests on this machine.
      holder.kill('SIGKILL')
    },
  }
}

/** The interfaces of a pod. */
export const interfacesOf = (pod: string): readonly string[] =>
  JSON.parse(ip('-n', pod, '-j', 'link'))
    .map(({ ifname }: { ifname: string }) => ifname)
    .filter((name: string) => name !== 'lo')
