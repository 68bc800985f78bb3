/** What is wrong with the configurations on the disk of this node, against what the node has. */
import { deviceExists, functionOf, isPf } from '../../pci/functions.js'
import type { CallHost } from '../../state/folder.js'
import { networksOfCluster } from '../conf/cluster.js'
import type { FileProblem, Read } from '../conf/networks.js'
import { type Checked, checkNetwork, networksAt } from '../conf/validate.js'
import type { Finding } from './findings.js'

/** Where runtimes and Multus read configurations. */
export const NETWORK_FOLDER = '/etc/cni/net.d'

/** The configurations of this plugin that are known here, and what could not be read. */
export interface Known {
  readonly problems: readonly FileProblem[]
  readonly checked: readonly Checked[]
}

const NOTHING: Read = { networks: [], problems: [] }

/** Those on the disk of this node, and those of the cluster where somebody logs in to it. @throws Error */
export async function knownNetworks(host: CallHost, kubeconfig?: string): Promise<Known> {
  const isThere = host.files.factsOf(NETWORK_FOLDER) !== undefined
  const onDisk = isThere ? networksAt(host.files, NETWORK_FOLDER) : NOTHING
  const inCluster = kubeconfig === undefined ? NOTHING : await networksOfCluster(host, kubeconfig)
  return {
    problems: [...onDisk.problems, ...inCluster.problems],
    checked: [...onDisk.networks, ...inCluster.networks].map((network) => checkNetwork(host, network)),
  }
}

const whereOf = ({ file, line }: FileProblem): string => `${file}:${line}`

/** A definition in the cluster has no path, but `NAMESPACE/NAME`. */
const howToMend = (file: string): string =>
  file.startsWith('/')
    ? `# Mend the file, then: sriovctl validate ${file}`
    : `# Mend it: kubectl edit net-attach-def -n ${file.replace('/', ' ')}`

const invalid = (one: FileProblem): Finding => ({
  id: 'conf-invalid',
  subject: whereOf(one),
  message: one.key === undefined ? one.problem : `${one.key}: ${one.problem}`,
  remedy: [howToMend(one.file)],
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
export function configurationFindings(host: CallHost, known: Known): Finding[] {
  const problems = [...known.problems, ...known.checked.flatMap((one) => one.problems)]
  const sound = known.checked.filter((one) => one.problems.length === 0)
  return [...problems.map(invalid), ...sound.flatMap((one) => deviceFinding(host, one))]
}
