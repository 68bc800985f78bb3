import type { Command } from '../../../src/host/ports.js'

/** Where a plugin is started in the lab. */
const BIN = '/opt/cni/bin'
const POD_NAME = 'eth0'

/** What one pod of the benchmark gets, and where. */
export interface Bed {
  readonly device: string
  readonly netdev: string
  readonly netns: string
  readonly container: string
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

function cni(plugin: string, verb: string, bed: Bed, conf: object, environment: Readonly<Record<string, string>>) {
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

const HOST_LOCAL = { ipam: { type: 'host-local', dataDir: '/run/bench-ipam', ranges: [[{ subnet: '10.9.0.0/24' }]] } }
const VLAN_AND_MAC = { vlan: 100 }

/** Its own MAC for every pod: a PF has no two VFs with one. */
const macOf = ({ device }: Bed): string => `02:be:00:${device.slice(5, 7)}:${device.slice(8, 10)}:0${device.slice(11)}`

function sriov(name: string, conf: object, environment: Readonly<Record<string, string>>): Case {
  const confFor = (bed: Bed) => ({
    type: 'sriov',
    deviceID: bed.device,
    ...conf,
    ...(conf === VLAN_AND_MAC && { mac: macOf(bed) }),
  })
  return {
    name,
    add: (bed) => cni('sriov', 'ADD', bed, confFor(bed), environment),
    del: (bed) => cni('sriov', 'DEL', bed, confFor(bed), environment),
  }
}

function hostDevice(name: string, conf: object): Case {
  const confFor = ({ netdev }: Bed) => ({ type: 'host-device', device: netdev, ...conf })
  return {
    name,
    add: (bed) => cni('host-device', 'ADD', bed, confFor(bed), {}),
    del: (bed) => cni('host-device', 'DEL', bed, confFor(bed), {}),
  }
}

const floor = (...args: readonly string[]): Command => ({ path: 'dist/floor', args, environment: {} })

/** What is measured one after another, in the order of one round. */
export const ONE_BY_ONE = [
  { name: 'node -e 0', add: () => ({ path: process.execPath, args: ['-e', '0'], environment: {} }) },
  {
    name: 'C floor',
    add: ({ netdev, netns }) => floor('-', netdev, netns, POD_NAME),
    del: ({ netdev, netns }) => floor(netns, POD_NAME, '-', netdev),
  },
  sriov('resident', {}, {}),
  hostDevice('host-device', {}),
  sriov('resident, VLAN and MAC', VLAN_AND_MAC, {}),
  sriov('one-shot', {}, ONE_SHOT),
  sriov('resident, host-local', HOST_LOCAL, {}),
  hostDevice('host-device, host-local', HOST_LOCAL),
  sriov('one-shot, host-local', HOST_LOCAL, ONE_SHOT),
  sriov('one-shot, VLAN and MAC', VLAN_AND_MAC, ONE_SHOT),
] as const satisfies readonly Case[]

/** What is measured with several pods at once; the kernel lets one after the other move, whoever asks. */
export const AT_ONCE: readonly Case[] = ONE_BY_ONE.filter(
  ({ name }) => name === 'C floor' || name.endsWith('host-local'),
)

export const caseOf = (name: (typeof ONE_BY_ONE)[number]['name']): Case => {
  const found: Case | undefined = ONE_BY_ONE.find((one) => one.name === name)
  if (!found) {
    throw new Error(`there is no case ${name}`)
  }
  return found
}
