import { type ConfigIssue, PluginError } from '../../errors.js'
import type { CallArgs } from '../args.js'
import { NODE_FOLDER } from '../folders.js'
import { foldKeys, type JsonObject, keyTable, suggestKey } from '../json.js'
import type { CniVersion } from '../version.js'
import { type DeviceChoice, readChoice } from './device-choice.js'
import { DPDK_KEYS, readDpdk, unknownDpdkKeys } from './dpdk-conf.js'
import { readAttachments, readIpamType, readKeys, readMac, readRuntimeConfig, readVlan } from './netconf-rules.js'
import { NET_CONF_KEYS, type NetConfValues } from './netconf-schema.js'
import type { KnownAttachment, WantedDpdk, WantedNetdev, WantedVf } from './wanted.js'

export const DEFAULT_LOG_LEVEL: LogLevel = 'warning'

export type LogLevel = 'error' | 'warning' | 'info' | 'debug'

/** A network configuration. Keys are renamed from the user's spelling here and nowhere else. */
export interface NetConf {
  readonly cniVersion: CniVersion
  /** "" when the caller sends none, like Multus 1. */
  readonly name: string
  /** What IPAM plugins read: stdin as received, with a name added when the caller sends none. */
  readonly text: string
  readonly device?: DeviceChoice
  /** The pod's NUMA node, if the caller knows it. */
  readonly numaNode?: number
  /** The name of the interface in the pod, if it is not CNI_IFNAME. */
  readonly podIfName?: string
  readonly vf: WantedVf
  readonly netdev: WantedNetdev
  readonly dpdk?: WantedDpdk
  /** Whether release resets the VF (function-level reset). */
  readonly flr?: boolean
  /** Whether the RDMA device goes into the pod, too; absent: where the node has RDMA devices in namespaces of their own. */
  readonly rdma?: boolean
  /** Path of the file that describes the device to the pod (NPWG device information specification). */
  readonly deviceInfoFile?: string
  readonly ipamType?: string
  readonly cniDir: string
  readonly logLevel: LogLevel
  readonly logFile?: string
  readonly dns?: JsonObject
  readonly prevResult?: JsonObject
  readonly validAttachments?: readonly KnownAttachment[]
}

/** A configuration with its issues and warnings. Issues are not thrown, because DEL goes on where ADD must refuse. */
export interface ParsedNetConf {
  readonly conf: NetConf
  readonly issues: readonly ConfigIssue[]
  readonly warnings: readonly string[]
}

/** The parts of a configuration that readCall() has already checked. */
export interface NetConfHeader {
  readonly cniVersion: CniVersion
  readonly name: string
  readonly text: string
  readonly object: JsonObject
}

const HEADER_KEYS = ['cniVersion', 'name']
const CONF_KEYS = [...HEADER_KEYS, ...Object.keys(NET_CONF_KEYS)]
const CONF_KEY_TABLE = keyTable(CONF_KEYS)

const onOff = (value: 'on' | 'off' | undefined): boolean | undefined =>
  value === undefined ? undefined : value === 'on'

/** The object without its undefined values, as exactOptionalPropertyTypes requires. */
const present = <T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }

/** How many unknown keys, and of what length, are compared with the known ones. */
const MAX_SLIPS = 20
const MAX_SLIP_LENGTH = 64

const nearMisses = (unknown: readonly string[], known: readonly string[], prefix = ''): string[] =>
  unknown.slice(0, MAX_SLIPS).flatMap((key) => {
    if (key.length > MAX_SLIP_LENGTH) {
      return []
    }
    const suggestion = suggestKey(key, known)
    return suggestion === undefined
      ? []
      : [`unknown key "${prefix}${key}" is ignored; did you mean "${prefix}${suggestion}"?`]
  })

/** The network name for callers that send none. IPAM plugins keep their leases under it. */
const NAME_FOR_IPAM = 'sriov'

/** Appends a name: the last duplicate of a key counts. Without `ipam` no other program reads the text. */
function withName(text: string): string {
  const end = text.lastIndexOf('}')
  return /"ipam"/i.test(text) ? `${text.slice(0, end)},"name":"${NAME_FOR_IPAM}"${text.slice(end)}` : text
}

/** Reads the whole network configuration (docs/configuration.md). Collects every issue and warning; throws nothing. */
export function parseNetConf({ cniVersion, name, text, object }: NetConfHeader, args: CallArgs): ParsedNetConf {
  const issues: ConfigIssue[] = []
  const { known, unknown } = foldKeys(object, CONF_KEY_TABLE)
  const values = readKeys(NET_CONF_KEYS, known, '', issues) as NetConfValues
  const runtime = readRuntimeConfig(values, issues)
  const { min_tx_rate: minTxRateMbps, max_tx_rate: maxTxRateMbps } = values
  if (
    minTxRateMbps !== undefined &&
    maxTxRateMbps !== undefined &&
    maxTxRateMbps !== 0 &&
    minTxRateMbps > maxTxRateMbps
  ) {
    issues.push({ key: 'min_tx_rate', problem: `${minTxRateMbps} is above max_tx_rate ${maxTxRateMbps}` })
  }
  if (values.flr === true && values.pfOnly === true) {
    issues.push({ key: 'flr', problem: 'cannot stand beside pfOnly: a PF that is reset loses its VFs' })
  }
  if (values.rdma === true && values.dpdk !== undefined) {
    issues.push({ key: 'rdma', problem: 'cannot stand beside dpdk: a VF on a user space driver has no RDMA device' })
  }
  const device = readChoice(values, runtime, args, issues)
  const conf: NetConf = {
    cniVersion,
    name,
    text: name === '' ? withName(text) : text,
    vf: present({
      vlan: readVlan(values, args, issues),
      mac: readMac(values, runtime, args, issues),
      minTxRateMbps,
      maxTxRateMbps,
      spoofchk: onOff(values.spoofchk),
      trust: onOff(values.trust),
      linkState: values.link_state,
    }),
    netdev: present({ mtu: values.mtu, promisc: values.promisc, allmulti: values.allmulti }),
    cniDir: values.cniDir ?? NODE_FOLDER,
    logLevel: values.logLevel ?? DEFAULT_LOG_LEVEL,
    ...present({
      device,
      numaNode: values.numaNode,
      podIfName: values.if0name,
      dpdk: readDpdk(values, issues),
      flr: values.flr,
      rdma: values.rdma,
      deviceInfoFile: runtime.CNIDeviceInfoFile,
      ipamType: readIpamType(values, issues),
      logFile: values.logFile,
      dns: values.dns,
      prevResult: values.prevResult,
      validAttachments: readAttachments(values),
    }),
  }
  const warnings = [...nearMisses(unknown, CONF_KEYS), ...nearMisses(unknownDpdkKeys(values), DPDK_KEYS, 'dpdk.')]
  return { conf, issues, warnings }
}

/** The configuration, or one error that names every issue. @throws PluginError kind `config` */
export function requireValid({ conf, issues }: ParsedNetConf): NetConf {
  if (issues.length > 0) {
    throw new PluginError({ kind: 'config', issues })
  }
  return conf
}
