import type { Command } from '../../../src/host/ports.js'

/** Where the plugins are. */
const BIN = process.env.BENCH_BIN ?? '/opt/cni/bin'
const POD_NAME = 'eth0'

/** What one pod of the benchmark gets, and where. */
export interface Bed {
  readonly device: string
  readonly netdev: string
  readonly netns: string
  readonly container: string
  /** The PF and the VF's index at it, where it has one. */
  readonly pf?: { readonly name: string; readonly index: number }
}

/** One way of giving a VF to a pod and taking it back; `del` is absent where there is nothing to take back. */
export interface Case {
  readonly name: string
  /** The exit status of `add`, where that is not 0: a call that is to be refused. */
  readonly status?: number
  add(bed: Bed): Command
  del?(bed: Bed): Command
}

/** An empty path: the launcher starts the plugin as a process of its own. */
export const ONE_SHOT = { SRIOV_CNI_SOCKET: '' }

type Environment = Readonly<Record<string, string>>

function cni(plugin: string, verb: string, bed: Bed, conf: object, environment: Environment = {}): Command {
  return {
    path: `${BIN}/${plugin}`,
    environment: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: bed.container,
      CNI_NETNS: bed.netns,
      CNI_IFNAME: POD_NAME,
      CNI_PATH: BIN,
      ...environment,
    },
    stdin: JSON.stringify({ cniVersion: '1.0.0', name: 'bench', ...conf }),
  }
}

/** One call of the plugin. */
export const sriovCall = (verb: string, bed: Bed, conf: object, environment: Environment): Command =>
  cni('sriov', verb, bed, { type: 'sriov', deviceID: bed.device, ...conf }, environment)

const HOST_LOCAL = { ipam: { type: 'host-local', dataDir: '/run/bench-ipam', ranges: [[{ subnet: '10.9.0.0/16' }]] } }
const VLAN_AND_MAC = { vlan: 100 }

/** Its own MAC for every pod: a PF has no two VFs with one. */
const macOf = ({ device }: Bed): string => `02:be:00:${device.slice(5, 7)}:${device.slice(8, 10)}:0${device.slice(11)}`

/** One way of giving a VF to a pod that can take it back, too. */
type Way = Required<Pick<Case, 'name' | 'add' | 'del'>>

export function sriov(name: string, conf: object, environment: Environment = {}): Way {
  const confFor = (bed: Bed) => ({ ...conf, ...(conf === VLAN_AND_MAC && { mac: macOf(bed) }) })
  return {
    name,
    add: (bed) => sriovCall('ADD', bed, confFor(bed), environment),
    del: (bed) => sriovCall('DEL', bed, confFor(bed), environment),
  }
}

function hostDevice(name: string, conf: object): Way {
  const confFor = ({ netdev }: Bed) => ({ type: 'host-device', device: netdev, ...conf })
  return {
    name,
    add: (bed) => cni('host-device', 'ADD', bed, confFor(bed)),
    del: (bed) => cni('host-device', 'DEL', bed, confFor(bed)),
  }
}

const floor = (...args: readonly string[]): Command => ({ path: 'dist/floor', args, environment: {} })

export const NODE: Case = {
  name: 'node -e 0',
  add: () => ({ path: process.env.BENCH_NODE ?? process.execPath, args: ['-e', '0'], environment: {} }),
}

export const FLOOR: Way = {
  name: 'C floor',
  add: ({ netdev, netns }) => floor('-', netdev, netns, POD_NAME),
  del: ({ netdev, netns }) => floor(netns, POD_NAME, '-', netdev),
}

/** The same, and the PF is told a VLAN first. */
const FLOOR_VLAN: Way = {
  name: 'C floor, VLAN',
  add: ({ netdev, netns, pf }) => floor('-', netdev, netns, POD_NAME, pf?.name ?? '', String(pf?.index), '100'),
  del: ({ netdev, netns, pf }) => floor(netns, POD_NAME, '-', netdev, pf?.name ?? '', String(pf?.index), '0'),
}

export const RESIDENT = sriov('resident', {})
export const RESIDENT_HOST_LOCAL = sriov('resident, host-local', HOST_LOCAL)
export const RESIDENT_VLAN_AND_MAC = sriov('resident, VLAN and MAC', VLAN_AND_MAC)
export const HOST_DEVICE = hostDevice('host-device', {})
export const HOST_DEVICE_HOST_LOCAL = hostDevice('host-device, host-local', HOST_LOCAL)
const ONE_SHOT_ALONE = sriov('one-shot', {}, ONE_SHOT)
export const ONE_SHOT_HOST_LOCAL = sriov('one-shot, host-local', HOST_LOCAL, ONE_SHOT)

/** An IPAM plugin alone, called as a plugin calls it. */
export const HOST_LOCAL_ALONE: Way = {
  name: 'host-local alone',
  add: (bed) => cni('host-local', 'ADD', bed, HOST_LOCAL),
  del: (bed) => cni('host-local', 'DEL', bed, HOST_LOCAL),
}

/** What is measured one after another in the lab, in the order of one round. */
export const IN_LAB: readonly Case[] = [
  NODE,
  FLOOR,
  RESIDENT,
  HOST_DEVICE,
  RESIDENT_VLAN_AND_MAC,
  ONE_SHOT_ALONE,
  RESIDENT_HOST_LOCAL,
  HOST_DEVICE_HOST_LOCAL,
  ONE_SHOT_HOST_LOCAL,
  sriov('one-shot, VLAN and MAC', VLAN_AND_MAC, ONE_SHOT),
]

/** Whose instructions are counted. */
export const INSTRUCTIONS: readonly Case[] = [
  FLOOR,
  RESIDENT,
  HOST_DEVICE,
  HOST_LOCAL_ALONE,
  RESIDENT_HOST_LOCAL,
  HOST_DEVICE_HOST_LOCAL,
  RESIDENT_VLAN_AND_MAC,
  ONE_SHOT_ALONE,
]

/** The same on the machine. Stand-ins for VFs have no PF, so nothing is set there. */
export const ON_MACHINE: readonly Case[] = [
  FLOOR,
  RESIDENT,
  HOST_DEVICE,
  HOST_LOCAL_ALONE,
  RESIDENT_HOST_LOCAL,
  HOST_DEVICE_HOST_LOCAL,
  ONE_SHOT_ALONE,
  ONE_SHOT_HOST_LOCAL,
]

/** What is measured with several pods at once; the kernel lets one after the other move, whoever asks. */
export const AT_ONCE: readonly Case[] = [FLOOR, RESIDENT_HOST_LOCAL, HOST_DEVICE_HOST_LOCAL, ONE_SHOT_HOST_LOCAL]

/** The same in the lab, where a PF can be told something. */
export const AT_ONCE_IN_LAB: readonly Case[] = [
  FLOOR_VLAN,
  sriov('resident, VLAN, host-local', { vlan: 100, ...HOST_LOCAL }),
  ...AT_ONCE,
]
