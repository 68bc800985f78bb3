import { type ConfigIssue, PluginError } from '../errors.js'
import type { CallArgs } from './args.js'
import { type DeviceChoice, readChoice } from './device-choice.js'
import { DPDK_KEYS, readDpdk, unknownDpdkKeys } from './dpdk-conf.js'
import { foldKeys, type JsonObject, keyTable, suggestKey } from './json.js'
import { readAttachments, readIpamType, readKeys, readMac, readRuntimeConfig, readVlan } from './netconf-rules.js'
import { NET_CONF_KEYS, type NetConfValues } from './netconf-schema.js'
import type { CniVersion } from './version.js'
import type { KnownAttachment, WantedDpdk, WantedNetdev, WantedVf } from './wanted.js'

export const DEFAULT_CNI_DIR = '/var/lib/cni/sriov'
export const DEFAULT_LOG_LEVEL: LogLevel = 'warning'

export type LogLevel = 'error' | 'warning' | 'info' | 'debug'

/** A configuration, each key renamed once, here. */
export interface NetConf {
  readonly cniVersion: CniVersion
  /** "" for Multus 1, which sends none. */
  readonly name: string
  /** What IPAM plugins read: stdin as it came, with a name where the caller sends none. */
  readonly text: string
  readonly device?: DeviceChoice
  /** The pod's NUMA node, where the caller knows it. */
  readonly numaNode?: number
  /** What the interface is called in the pod, where that is not CNI_IFNAME. */
  readonly podIfName?: string
  readonly vf: WantedVf
  readonly netdev: WantedNetdev
  readonly dpdk?: WantedDpdk
  /** Whether the VF is reset (function-level reset) on release. */
  readonly flr?: boolean
  /** Where the device is to be described for the pod (NPWG device information specification). */
  readonly deviceInfoFile?: string
  readonly ipamType?: string
  readonly cniDir: string
  readonly logLevel: LogLevel
  readonly logFile?: string
  readonly dns?: JsonObject
  readonly prevResult?: JsonObject
  readonly validAttachments?: readonly KnownAttachment[]
}

/** A configuration with what is to be said about it. Nothing is thrown: DEL goes on where ADD must refuse. */
export interface ParsedNetConf {
  readonly conf: NetConf
  readonly issues: readonly ConfigIssue[]
  readonly warnings: readonly string[]
}

/** What the process contract has already checked. */
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

/** The object without its undefined values, as exactOptionalPropertyTypes wants it. */
const present = <T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }

/** So many keys, and keys so long, may be slips of a hand. */
const MAX_SLIPS = 20
const MAX_SLIP_LENGTH = 64

/** What is to be said of keys that are almost known ones. */
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

/** The network of callers that name none, for IPAM plugins, which keep their leases by it. */
const NAME_FOR_IPAM = 'sriov'

/** A configuration with a name behind all its keys: the last of a kind counts. One without `ipam` is read by nobody else. */
function withName(text: string): string {
  const end = text.lastIndexOf('}')
  return /"ipam"/i.test(text) ? `${text.slice(0, end)},"name":"${NAME_FOR_IPAM}"${text.slice(end)}` : text
}

/** Reads the whole network configuration (docs/configuration.md): every issue, every warning, nothing thrown. */
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
    cniDir: values.cniDir ?? DEFAULT_CNI_DIR,
    logLevel: values.logLevel ?? DEFAULT_LOG_LEVEL,
    ...present({
      device,
      numaNode: values.numaNode,
      podIfName: values.if0name,
      dpdk: readDpdk(values, issues),
      flr: values.flr,
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

/** The configuration, or one error that names every problem. @throws PluginError kind `config` */
export function requireValid({ conf, issues }: ParsedNetConf): NetConf {
  if (issues.length > 0) {
    throw new PluginError({ kind: 'config', issues })
  }
  return conf
}
