/** What is wrong with the configurations on the disk of this node, against what the node has. */
import { deviceExists, functionOf, isPf } from '../../pci/functions.js'
import type { CallHost } from '../../state/folder.js'
import type { FileProblem, Read } from '../conf/networks.js'
import { type Checked, checkNetwork, networksAt } from '../conf/validate.js'
import type { Finding } from './findings.js'

/** Where runtimes and Multus read configurations. */
export const NETWORK_FOLDER = '/etc/cni/net.d'

/** What is on the disk of this node. */
export interface OnDisk {
  readonly read: Read
  readonly checked: readonly Checked[]
}

export function networksOnDisk(host: CallHost, folder = NETWORK_FOLDER): OnDisk {
  const isThere = host.files.factsOf(folder) !== undefined
  const read = isThere ? networksAt(host.files, folder) : { networks: [], problems: [] }
  return { read, checked: read.networks.map((network) => checkNetwork(host, network)) }
}

const whereOf = ({ file, line }: FileProblem): string => `${file}:${line}`

const invalid = (one: FileProblem): Finding => ({
  id: 'conf-invalid',
  subject: whereOf(one),
  message: one.key === undefined ? one.problem : `${one.key}: ${one.problem}`,
  remedy: [`# Mend the file, then: sriovctl validate ${one.file}`],
})

function deviceFinding({ files }: CallHost, { network, conf }: Checked): Finding[] {
  const { device } = conf ?? {}
  const at = (key: string) => `${network.file}:${network.lineOf(key)}`
  if (device?.by === 'address' && !network.isFromDevicePlugin && !deviceExists(files, device.address)) {
    return [
      {
        id: 'conf-device-missing',
        subject: at('deviceID'),
        message: `deviceID: there is no PCI device ${device.address} on this node`,
        remedy: [`# Correct it in ${network.file}. What this node has:`, 'sriovctl status'],
      },
    ]
  }
  if (device?.by !== 'pf' && device?.by !== 'wholePf') {
    return []
  }
  const address = functionOf(files, device.pfName)
  // A whole PF is in a pod while one has it.
  if (address === undefined && device.by === 'wholePf') {
    return []
  }
  return address !== undefined && isPf(files, address)
    ? []
    : [
        {
          id: 'conf-pf-missing',
          subject: at(device.key),
          message: `${device.key}: ${address === undefined ? `there is no interface ${device.pfName} of a PCI device` : `${device.pfName} has no SR-IOV`} on this node`,
          remedy: [`# Correct it in ${network.file}. What this node has:`, 'sriovctl status'],
        },
      ]
}

/** @throws PluginError kind `state` */
export function configurationFindings(host: CallHost, onDisk: OnDisk): Finding[] {
  const problems = [...onDisk.read.problems, ...onDisk.checked.flatMap((one) => one.problems)]
  const sound = onDisk.checked.filter((one) => one.problems.length === 0)
  return [...problems.map(invalid), ...sound.flatMap((one) => deviceFinding(host, one))]
}
