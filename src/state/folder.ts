import type { CallArgs } from '../cni/args.js'
import { BIN_FOLDER, NODE_FOLDER } from '../cni/folders.js'
import { PluginError } from '../errors.js'
import type { FileFacts, FilePort, Host } from '../host/ports.js'
import { distrustOf } from '../node/trust.js'
import type { PciAddress } from '../pci/address.js'
import { limitsOf, type NamespaceLimits } from '../policy/govern.js'
import type { Policy } from '../policy/policy.js'
import { type PhaseRecorder, recordPhases } from './call-phases.js'
import type { RecordedPod } from './record.js'

/** Where the attachments of a configuration are recorded. */
export interface StateFolder {
  readonly files: FilePort
  /** The folder of the records: `cniDir` of the configuration. */
  readonly path: string
}

/** The edges of this machine for one call: its state folder, and what the node's policy allows it. */
export interface CallHost extends Host {
  readonly state: StateFolder
  readonly policy: Policy
  /** The limits of the pod's Kubernetes namespace; absent when it has none. */
  readonly limits?: NamespaceLimits
  /** CNI_PATH of the call. */
  readonly cniPath: string
  /** The pod's UID (K8S_POD_UID in CNI_ARGS), if the runtime says it. */
  readonly podUid?: string
  /** The pod (K8S_POD_NAMESPACE and K8S_POD_NAME), if the runtime says it. */
  readonly pod?: RecordedPod
  /** What the call finds out on its way, for the journal. */
  readonly story: Story
  /** What the call spends its time on, for the journal. */
  readonly phases: PhaseRecorder
}

export interface Story {
  device?: PciAddress
}

/** A name of Kubernetes has at most 253 characters (DNS subdomain, RFC 1123). */
const MAX_NAME = 253

function podOf({ K8S_POD_NAMESPACE: namespace, K8S_POD_NAME: name }: CallArgs['extra']): RecordedPod | undefined {
  return namespace === undefined || name === undefined
    ? undefined
    : { namespace: namespace.slice(0, MAX_NAME), name: name.slice(0, MAX_NAME) }
}

/** Adds to a host what a call brings. `cniDir` is the state folder of its configuration. */
export function callHost(host: Host, policy: Policy, args: CallArgs, cniDir: string): CallHost {
  const limits = limitsOf(policy, args)
  const pod = podOf(args.extra)
  return {
    ...host,
    policy,
    ...(limits && { limits }),
    ...(args.extra.K8S_POD_UID !== undefined && { podUid: args.extra.K8S_POD_UID }),
    ...(pod && { pod }),
    story: {},
    phases: recordPhases(host.clock),
    cniPath: args.environment.CNI_PATH ?? '',
    state: { files: host.files, path: cniDir },
  }
}

/**
 * A host for whoever runs the node, and is no pod: only the node's own policy and state folder count. `binFolder` is where
 * IPAM plugins are.
 */
export const operatorHost = (host: Host, policy: Policy, binFolder: string = BIN_FOLDER): CallHost =>
  callHost(
    host,
    policy,
    { containerId: '', ifName: '', netnsPath: '', extra: {}, environment: { CNI_PATH: binFolder } },
    NODE_FOLDER,
  )

/** Every folder that may hold records: the configuration's, and the node's, where other plugins keep theirs. */
export const recordFolders = ({ path }: StateFolder): readonly string[] =>
  path === NODE_FOLDER ? [path] : [path, NODE_FOLDER]

/**
 * Makes sure that nobody but root has written what the state folders hold: it decides what is moved, bound and run.
 * @throws PluginError kind `state`
 */
export function requireTrustedState(state: StateFolder): void {
  const { files } = state
  // The way to one is most of the way to the other.
  const seen = new Map<string, FileFacts | undefined>()
  const factsOf = (path: string): FileFacts | undefined => {
    const facts = seen.has(path) ? seen.get(path) : files.factsOf(path)
    seen.set(path, facts)
    return facts
  }
  // Each by itself: of a folder that is only on the way, less is asked.
  for (const path of new Set([`${NODE_FOLDER}/pci`, state.path])) {
    const why = distrustOf({ factsOf, readLink: files.readLink }, path)
    if (why !== undefined) {
      throw new PluginError({ kind: 'state', path, problem: `is not used: ${why}` })
    }
  }
}
