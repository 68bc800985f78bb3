import type { CallArgs } from '../cni/args.js'
import type { NetConf, ParsedNetConf } from '../cni/conf/netconf.js'
import { NODE_FOLDER } from '../cni/folders.js'
import { type ConfigIssue, PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import { distrustOf, whyNotUsed } from '../node/trust.js'
import { dpdkRefusals } from './drivers.js'
import { isWithin, plainPath } from './paths.js'
import { type Limits, type Policy, type PolicyKey, ruleText, type VlanRange } from './policy.js'

/** The limits of the Kubernetes namespace for which a call is made. */
export interface NamespaceLimits {
  /** Where they stand in the policy: `namespaces.NAME`. */
  readonly key: string
  readonly limits: Limits
}

/** The Kubernetes namespaces that CNI_ARGS names. A runtime names one. */
const namespacesIn = (text: string | undefined): readonly string[] => [
  ...new Set((text ?? '').split(';').flatMap((pair) => /^K8S_POD_NAMESPACE=(.+)$/.exec(pair)?.[1] ?? [])),
]

/** The limits of the call's namespace; undefined when the policy has none for it. */
export function limitsOf({ namespaces }: Policy, { environment }: CallArgs): NamespaceLimits | undefined {
  const [namespace = '*'] = namespacesIn(environment.CNI_ARGS)
  const name = Object.hasOwn(namespaces, namespace) ? namespace : '*'
  const limits = Object.hasOwn(namespaces, name) ? namespaces[name] : undefined
  return limits && { key: `namespaces.${name}`, limits }
}

function callerRefusals({ namespaces }: Policy, { environment }: CallArgs): ConfigIssue[] {
  const named = namespacesIn(environment.CNI_ARGS)
  return named.length > 1 && Object.keys(namespaces).length > 0
    ? [{ key: 'CNI_ARGS K8S_POD_NAMESPACE', problem: `is both ${named.slice(0, 2).join(' and ')}` }]
    : []
}

const shownVlans = (ranges: readonly VlanRange[]) => ranges.map(([from, to]) => (from === to ? from : `${from}-${to}`))

/** What the limits of a namespace forbid. */
function limitRefusals(policy: Policy, conf: NetConf, { key, limits }: NamespaceLimits): ConfigIssue[] {
  const { vf, netdev, dpdk, device } = conf
  const because = (limit: keyof Limits, value: unknown) => `; ${ruleText(policy, key, { [limit]: value })}`
  const flags: readonly (readonly [keyof Limits, boolean, string, string])[] = [
    ['trust', vf.trust === true, 'trust', 'may not be on'],
    ['spoofchkOff', vf.spoofchk === false, 'spoofchk', 'may not be off'],
    ['promisc', netdev.promisc === true, 'promisc', 'may not be true'],
    ['allmulti', netdev.allmulti === true, 'allmulti', 'may not be true'],
    ['pfOnly', device?.by === 'wholePf', 'pfOnly', 'may not be true'],
    ['dpdk', dpdk !== undefined, 'dpdk', 'may not be used'],
  ]
  const { vlans, maxTxRate } = limits
  const vlan = vf.vlan?.vlan
  const rate = vf.maxTxRateMbps
  return [
    ...flags.flatMap(([limit, isAsked, asked, problem]) =>
      isAsked && limits[limit] === false ? [{ key: asked, problem: problem + because(limit, false) }] : [],
    ),
    ...(vlans && !(vlan !== undefined && vlans.some(([from, to]) => vlan >= from && vlan <= to))
      ? [{ key: 'vlan', problem: `${vlan ?? 'none'} is not allowed${because('vlans', shownVlans(vlans))}` }]
      : []),
    ...(maxTxRate !== undefined && !(rate !== undefined && rate > 0 && rate <= maxTxRate)
      ? [{ key: 'max_tx_rate', problem: `${rate ?? 'none'} is not allowed${because('maxTxRate', maxTxRate)}` }]
      : []),
  ]
}

/** Why a path that a configuration names is not used; undefined when it may be. */
function pathRefusal(
  files: FilePort,
  policy: Policy,
  path: string,
  key: PolicyKey & ('stateFolders' | 'logFolders' | 'deviceInfoFolders'),
): string | undefined {
  const plain = plainPath(path)
  const folders = policy[key]
  if (plain === undefined) {
    return `${JSON.stringify(path)} must be an absolute path without . and ..`
  }
  if (!isWithin(plain, folders)) {
    return `${path} is not below one of the folders allowed; ${ruleText(policy, key, folders)}`
  }
  // Without its records a call cannot go on, but without a log it can.
  return key === 'stateFolders'
    ? distrustOf(files, plain)
    : whyNotUsed(files, plain, { writers: key === 'logFolders' ? 'system groups' : 'root' })
}

/** The folder of marks and locks is no folder for records. */
const OWN_FOLDER = `${NODE_FOLDER}/pci`

/** The plugin's own files begin with a dot, such as the claims of VFs: a folder of that name would stand in their way. */
const isNamedLikeOwn = (path: string): boolean => path.startsWith(`${NODE_FOLDER}/`) && path.includes('/.')

function stateFolderRefusal(files: FilePort, policy: Policy, cniDir: string): string | undefined {
  if (cniDir === NODE_FOLDER) {
    return undefined
  }
  if (isWithin(cniDir, [OWN_FOLDER])) {
    return `${cniDir} is for marks and locks`
  }
  return (
    pathRefusal(files, policy, cniDir, 'stateFolders') ??
    (isNamedLikeOwn(plainPath(cniDir) ?? '')
      ? `${cniDir} has a name that begins with a dot, as the plugin's own files have`
      : undefined)
  )
}

/** A configuration, and what of it the policy does not allow. */
export interface GovernedNetConf extends ParsedNetConf {
  readonly refusals: readonly ConfigIssue[]
}

/** @throws PluginError kinds `policyFile`, `policy` naming every refusal */
export function requireAllowed({ problem }: Policy, { refusals }: GovernedNetConf): void {
  if (problem !== undefined) {
    throw new PluginError({ kind: 'policyFile', problem })
  }
  if (refusals.length > 0) {
    throw new PluginError({ kind: 'policy', refusals })
  }
}

/**
 * Applies the policy of the node to a configuration. What it does not allow is a refusal, and the paths that it does not
 * allow are taken out: a DEL, which is never refused, does not use them either.
 */
export function govern(files: FilePort, policy: Policy, parsed: ParsedNetConf, args: CallArgs): GovernedNetConf {
  const { conf } = parsed
  const { cniDir, logFile, deviceInfoFile, dpdk } = conf
  const stateRefusal = stateFolderRefusal(files, policy, cniDir)
  const logRefusal = logFile === undefined ? undefined : pathRefusal(files, policy, logFile, 'logFolders')
  const infoRefusal =
    deviceInfoFile === undefined ? undefined : pathRefusal(files, policy, deviceInfoFile, 'deviceInfoFolders')
  const limits = limitsOf(policy, args)
  const refused = (key: string, problem: string | undefined) => (problem === undefined ? [] : [{ key, problem }])
  const { logFile: _log, deviceInfoFile: _info, ...rest } = conf
  return {
    ...parsed,
    conf: {
      ...rest,
      ...(logFile !== undefined && logRefusal === undefined && { logFile }),
      ...(deviceInfoFile !== undefined && infoRefusal === undefined && { deviceInfoFile }),
      cniDir: stateRefusal === undefined ? cniDir : NODE_FOLDER,
    },
    refusals: [
      ...refused('cniDir', stateRefusal),
      ...refused('logFile', logRefusal),
      ...refused('runtimeConfig.CNIDeviceInfoFile', infoRefusal),
      ...callerRefusals(policy, args),
      ...(dpdk ? dpdkRefusals(files, policy, dpdk) : []),
      ...(limits ? limitRefusals(policy, conf, limits) : []),
    ],
  }
}
