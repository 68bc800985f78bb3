/** `sriovctl validate`: what is wrong with configurations, without a look at the devices. */
import { readCall } from '../../cni/call.js'
import type { NetConf } from '../../cni/conf/netconf.js'
import { BIN_FOLDER } from '../../cni/folders.js'
import { describeFault, messageOf } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import { govern } from '../../policy/govern.js'
import type { CallHost } from '../../state/folder.js'
import { asJson, colored, counted, type Output, printable } from '../output.js'
import { type FileProblem, type Network, networksIn, type Read } from './networks.js'

/** A call that a runtime would make; the pod does not matter. */
const SAMPLE = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'sriovctl',
  CNI_NETNS: '/run/netns/sriovctl',
  CNI_IFNAME: 'net1',
  CNI_PATH: BIN_FOLDER,
}

/** What Multus adds where kubelet chooses the device; which one does not matter. */
const SOME_DEVICE = '0000:00:00.0'

export interface Checked {
  readonly network: Network
  /** The configuration as an ADD would read it; absent when it cannot be read at all. */
  readonly conf?: NetConf
  readonly problems: readonly FileProblem[]
  readonly warnings: readonly FileProblem[]
}

/** Checks one configuration as an ADD would: every key, the policy of this node, and that it says which device. */
export function checkNetwork({ files, policy }: Pick<CallHost, 'files' | 'policy'>, network: Network): Checked {
  const { file, object, isFromDevicePlugin, namespace, lineOf } = network
  const at = (problem: string, key?: string): FileProblem => ({
    file,
    line: lineOf(key ?? 'type'),
    ...(key !== undefined && { key }),
    problem,
  })
  const given = isFromDevicePlugin ? { ...object, deviceID: SOME_DEVICE } : object
  const environment = {
    ...SAMPLE,
    ...(namespace !== undefined && { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace}` }),
  }
  try {
    const { args, parsed } = readCall('ADD', environment, () => JSON.stringify(given))
    const { conf, issues, warnings, refusals } = govern(files, policy, parsed, args)
    const isAimless = conf.device === undefined && !issues.some(({ key }) => key === 'deviceID')
    return {
      network,
      conf,
      problems: [
        ...[...issues, ...refusals].map(({ key, problem }) => at(problem, key)),
        ...(isAimless ? [at('is missing: nothing says which device a pod gets', 'deviceID')] : []),
      ],
      warnings: warnings.map((warning) => at(warning)),
    }
  } catch (error) {
    return { network, problems: [at(messageOf(error))], warnings: [] }
  }
}

/**
 * Checks one configuration as checkNetwork() does, and tells of a policy that cannot be used: it refuses every ADD. The doctor
 * tells of such a policy once, and not for each configuration.
 */
export function checkForAdd(host: Pick<CallHost, 'files' | 'policy'>, network: Network): Checked {
  const checked = checkNetwork(host, network)
  const { problem } = host.policy
  return problem === undefined
    ? checked
    : {
        ...checked,
        problems: [
          { file: network.file, line: network.lineOf('type'), problem: describeFault({ kind: 'policyFile', problem }) },
          ...checked.problems,
        ],
      }
}

const NETWORK_FILE = /\.(conf|conflist|json|ya?ml)$/

/** The files that a path means: itself, or those in the folder that can be configurations. */
const filesAt = (files: FilePort, path: string): readonly string[] =>
  files.factsOf(path)?.kind === 'folder'
    ? files.list(path).flatMap((name) => (NETWORK_FILE.test(name) ? [`${path.replace(/\/$/, '')}/${name}`] : []))
    : [path]

/** Reads the configurations of this plugin at a path. @throws PluginError kind `state`, Error when nothing is there */
export function networksAt(files: FilePort, path: string): Read {
  const reads = filesAt(files, path).map((file) => {
    const text = files.readText(file)
    if (text === undefined) {
      throw new Error(`there is no file ${file}`)
    }
    return networksIn(file, text)
  })
  return { networks: reads.flatMap((read) => read.networks), problems: reads.flatMap((read) => read.problems) }
}

/** What is said of a path without a configuration of this plugin. */
export const NOTHING_OURS = 'there is no configuration of this plugin'

/** Whether nothing at a path concerns this plugin. */
const isEmpty = ({ networks, problems }: Read): boolean => networks.length === 0 && problems.length === 0

const lineOf = ({ file, line, key, problem }: FileProblem): string =>
  printable(`${file}:${line}: ${key === undefined ? '' : `${key}: `}${problem}`)

/** Prints every problem. Returns the exit code: 1 when there is one. @throws PluginError */
export function validate(
  host: CallHost,
  out: Output,
  paths: readonly string[],
  { json }: { readonly json?: true },
): number {
  const reads = paths.map((path) => networksAt(host.files, path))
  const checked = reads.flatMap(({ networks }) => networks.map((network) => checkForAdd(host, network)))
  const problems = [...reads.flatMap((read) => read.problems), ...checked.flatMap((one) => one.problems)]
  const warnings = [
    ...paths.flatMap((file, i) => (reads[i] && isEmpty(reads[i]) ? [{ file, line: 1, problem: NOTHING_OURS }] : [])),
    ...checked.flatMap((one) => one.warnings),
  ]
  if (json) {
    out.write(asJson({ networks: checked.length, problems, warnings }))
  } else {
    const end = `${counted(checked.length, 'configuration')} of this plugin, ${counted(problems.length, 'problem')}`
    out.write(
      [
        ...problems.map((one) => `${colored(out, 'red', 'error')} ${lineOf(one)}\n`),
        ...warnings.map((one) => `${colored(out, 'yellow', 'warning')} ${lineOf(one)}\n`),
        `${end}\n`,
      ].join(''),
    )
  }
  return problems.length > 0 ? 1 : 0
}
