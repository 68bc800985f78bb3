/** One program to measure: what to start, its environment and stdin. */
export interface Command {
  readonly path: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly stdin: string
}

/** Something measured in pairs: ADD and DEL, or one step alone. */
export interface Case {
  readonly name: string
  readonly add: Command
  readonly del?: Command
}

/** What the commands are measured on. */
export interface Bed {
  readonly device: string
  readonly netdev: string
  readonly netns: string
}

const BIN = '/opt/cni/bin'
const POD_NAME = 'eth0'

function cni(plugin: string, verb: string, { netns }: Bed, conf: object): Command {
  return {
    path: `${BIN}/${plugin}`,
    args: [],
    environment: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: 'bench',
      CNI_NETNS: netns,
      CNI_IFNAME: POD_NAME,
      CNI_PATH: BIN,
    },
    stdin: JSON.stringify({ cniVersion: '1.0.0', name: 'bench', ...conf }),
  }
}

const hostLocal = { ipam: { type: 'host-local', dataDir: '/run/bench-ipam', ranges: [[{ subnet: '10.9.0.0/24' }]] } }

function pair(name: string, plugin: string, bed: Bed, conf: object): Case {
  return { name, add: cni(plugin, 'ADD', bed, conf), del: cni(plugin, 'DEL', bed, conf) }
}

/** Everything that is compared, in the order of one round. */
export function benchCases(bed: Bed): readonly Case[] {
  const { device, netdev, netns } = bed
  const none = { environment: {}, stdin: '' }
  const sriov = { type: 'sriov', deviceID: device }
  const hostDevice = { type: 'host-device', device: netdev }
  return [
    { name: 'node -e 0', add: { path: process.execPath, args: ['-e', '0'], ...none } },
    {
      name: 'C floor',
      add: { path: 'dist/floor', args: ['-', netdev, netns, POD_NAME], ...none },
      del: { path: 'dist/floor', args: [netns, POD_NAME, '-', netdev], ...none },
    },
    pair('sriov', 'sriov', bed, sriov),
    pair('host-device', 'host-device', bed, hostDevice),
    pair('sriov, VLAN and MAC', 'sriov', bed, { ...sriov, vlan: 100, mac: '02:00:00:00:be:01' }),
    pair('sriov, host-local', 'sriov', bed, { ...sriov, ...hostLocal }),
    pair('host-device, host-local', 'host-device', bed, { ...hostDevice, ...hostLocal }),
  ]
}
