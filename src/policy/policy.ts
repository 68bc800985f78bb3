/** What the administrator of a node lets configurations ask for (docs/policy.md). */
import type { PfSelector } from '../cni/conf/selectors.js'

/** VLAN IDs from `from` to `to`, both included. */
export type VlanRange = readonly [from: number, to: number]

/** What the configurations of a Kubernetes namespace may ask for. An absent limit does not limit. */
export interface Limits {
  readonly pfs?: readonly PfSelector[]
  /** The configuration must then name a VLAN. */
  readonly vlans?: readonly VlanRange[]
  readonly trust?: boolean
  readonly spoofchkOff?: boolean
  readonly promisc?: boolean
  readonly allmulti?: boolean
  readonly pfOnly?: boolean
  readonly dpdk?: boolean
  /** In Mbit/s. The configuration must then name a rate, and not 0, which is no limit. */
  readonly maxTxRate?: number
}

export interface PolicyRules {
  readonly stateFolders: readonly string[]
  readonly logFolders: readonly string[]
  readonly deviceInfoFolders: readonly string[]
  /** Each a program, or a folder with dpdk-devbind.py. */
  readonly dpdkTools: readonly string[]
  /** Absent: the well-known ones. See policy/drivers.ts. */
  readonly dpdkDrivers?: readonly string[]
  /** Absent: the present driver of the device, and those made for it. */
  readonly kernelDrivers?: readonly string[]
  /** Whether functions whose interface the host uses are given to pods. */
  readonly hostInterfaces: boolean
  /** PFs that `pfOnly` may name, by name or address; `unused`: all that the host does not use. */
  readonly wholePfs: 'unused' | false | readonly string[]
  /** What any configuration may name or choose; absent: everything. */
  readonly pfs?: readonly PfSelector[]
  /** By Kubernetes namespace; `*` is for those that are not named. */
  readonly namespaces: Readonly<Record<string, Limits>>
  /** Where IPAM plugins are, beside CNI_PATH of the call. */
  readonly pluginFolders: readonly string[]
  readonly kubeletFolder: string
}

export type PolicyKey = keyof PolicyRules

/** Where a rule stands. `line` counts from 1. */
export interface PolicyOrigin {
  readonly file: string
  readonly line: number
}

export interface Policy extends PolicyRules {
  /** The place of each rule that a file has set; for a namespace under `namespaces.NAME`. */
  readonly origins: Readonly<Record<string, PolicyOrigin>>
  /** Why the files cannot be trusted or understood: ADD is refused until they are mended. */
  readonly problem?: string
}

/** The administrator's own files. */
export const POLICY_FOLDER = '/etc/sriov-cni'
/** What the DaemonSet writes from a ConfigMap; also the place for a node whose /etc is read-only. */
export const CLUSTER_FOLDER = '/var/lib/sriov-cni'
/** In the order in which they are read: of two rules, the last one counts. */
export const POLICY_FOLDERS = [CLUSTER_FOLDER, POLICY_FOLDER] as const
export const POLICY_FILE = `${POLICY_FOLDER}/policy.json`

/** The name of the program that binds a function to a driver (DPDK, usertools). */
export const DEVBIND = 'dpdk-devbind.py'

/** Without a file. Only what is safe for a node whose tenants write configurations. */
export const DEFAULT_RULES: PolicyRules = {
  stateFolders: ['/var/lib/cni/sriov'],
  logFolders: ['/var/log'],
  deviceInfoFolders: ['/var/run/k8s.cni.cncf.io/devinfo', '/run/k8s.cni.cncf.io/devinfo'],
  dpdkTools: [
    '/usr/bin',
    '/usr/sbin',
    '/usr/local/bin',
    '/usr/local/sbin',
    '/usr/share/dpdk/usertools',
    '/opt/dpdk/usertools',
  ],
  hostInterfaces: false,
  wholePfs: 'unused',
  namespaces: {},
  pluginFolders: ['/opt/cni/bin'],
  kubeletFolder: '/var/lib/kubelet',
}

/** Which rule forbids something, and where it can be changed. Ends the sentence of a refusal. */
export function ruleText({ origins }: Policy, key: string, value: unknown): string {
  const origin = origins[key]
  return `"${key}": ${JSON.stringify(value)} ${
    origin ? `in ${origin.file}:${origin.line}` : `is the default; ${POLICY_FILE} may say otherwise`
  }`
}
