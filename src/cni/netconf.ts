import type * as z from 'zod/mini'
import { type ConfigIssue, PluginError } from '../errors.js'
import type { LinkState, VfSettings } from '../netlink/vf-info.js'
import type { PciAddress } from '../pci/address.js'
import type { CallArgs } from './args.js'
import { foldKeys, type JsonObject, suggestKey, valueAt } from './json.js'
import { Mac, NET_CONF_KEYS, type NetConfValues, RUNTIME_KEYS, type RuntimeValues, Vlan } from './netconf-schema.js'
import type { CniVersion } from './version.js'

export const DEFAULT_CNI_DIR = '/var/lib/cni/sriov'
export const DEFAULT_LOG_LEVEL: LogLevel = 'warning'

export type LogLevel = 'error' | 'warning' | 'info' | 'debug'

/** Settings of the VF that its PF holds. Absent: not written. Rates in Mbit/s. */
export interface WantedVf {
  readonly vlan?: Pick<VfSettings, 'vlan' | 'vlanQoS' | 'vlanProto'>
  readonly mac?: string
  readonly minTxRateMbps?: number
  readonly maxTxRateMbps?: number
  readonly spoofchk?: boolean
  readonly trust?: boolean
  readonly linkState?: LinkState
}

/** Settings of the interface inside the pod. `mtu` in bytes. */
export interface WantedNetdev {
  readonly mtu?: number
  readonly promisc?: boolean
  readonly allmulti?: boolean
}

/** An attachment that the runtime knows (CNI specification 1.1.0, GC). */
export interface KnownAttachment {
  readonly containerId: string
  readonly ifName: string
}

/** A configuration, each key renamed once, here. */
export interface NetConf {
  readonly cniVersion: CniVersion
  /** "" for Multus 1, which sends none. */
  readonly name: string
  /** Stdin as it came: IPAM plugins read the same bytes. */
  readonly text: string
  readonly deviceId?: PciAddress
  readonly vf: WantedVf
  readonly netdev: WantedNetdev
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
const MAX_CNI_ARGS_DIGITS = /^\d{1,10}$/

type Schemas = Readonly<Record<string, z.ZodMiniType>>

function check(schema: z.ZodMiniType, key: string, value: unknown, issues: ConfigIssue[]): unknown {
  const result = schema.safeParse(value)
  if (result.success) {
    return result.data
  }
  const given = typeof value === 'object' ? '' : ` (it is ${JSON.stringify(value)})`
  issues.push({ key, problem: `${result.error.issues[0]?.message ?? 'is wrong'}${given}` })
  return undefined
}

/** Checks every known key of an object on its own, so that one call reports every problem. */
function readKeys(
  schemas: Schemas,
  known: ReadonlyMap<string, unknown>,
  prefix: string,
  issues: ConfigIssue[],
): JsonObject {
  const values: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(schemas)) {
    if (known.has(key)) {
      const value = check(schema, prefix + key, known.get(key), issues)
      if (value !== undefined) {
        values[key] = value
      }
    }
  }
  return values
}

/** runtimeConfig counts for the capabilities that the configuration declares, where it declares any. */
function readRuntimeConfig(values: NetConfValues, issues: ConfigIssue[]): RuntimeValues {
  const { known } = foldKeys(values.runtimeConfig ?? {}, Object.keys(RUNTIME_KEYS))
  const declared = new Map(
    [...known].filter(([key]) => values.capabilities === undefined || valueAt(values.capabilities, key) === true),
  )
  return readKeys(RUNTIME_KEYS, declared, 'runtimeConfig.', issues) as RuntimeValues
}

/** runtimeConfig before CNI_ARGS before args.cni before the key itself; all of them are checked. */
function readMac(
  values: NetConfValues,
  runtime: RuntimeValues,
  args: CallArgs,
  issues: ConfigIssue[],
): string | undefined {
  const fromArgs = valueAt(valueAt(values.args, 'cni'), 'mac')
  const read = (key: string, value: unknown) =>
    value === undefined ? undefined : (check(Mac, key, value, issues) as string | undefined)
  const extra = read('CNI_ARGS MAC', args.extra.MAC)
  const nested = read('args.cni.mac', fromArgs)
  return runtime.mac ?? extra ?? nested ?? values.mac
}

function readVlan(values: NetConfValues, args: CallArgs, issues: ConfigIssue[]): WantedVf['vlan'] {
  const { VLAN } = args.extra
  const fromArgs = VLAN === undefined ? undefined : MAX_CNI_ARGS_DIGITS.test(VLAN) ? Number(VLAN) : VLAN
  const overriding =
    fromArgs === undefined ? undefined : (check(Vlan, 'CNI_ARGS VLAN', fromArgs, issues) as number | undefined)
  const vlan = overriding ?? values.vlan
  const { vlanQoS = 0, vlanProto = '802.1q' } = values
  const isVlanBroken = vlan === undefined && issues.some(({ key }) => key === 'vlan' || key === 'CNI_ARGS VLAN')
  if (!isVlanBroken) {
    if (vlan === undefined && values.vlanQoS !== undefined) {
      issues.push({ key: 'vlanQoS', problem: 'needs vlan' })
    } else if (vlan === 0 && vlanQoS !== 0) {
      issues.push({ key: 'vlanQoS', problem: `${vlanQoS} needs a vlan other than 0` })
    }
    if (vlan === undefined && values.vlanProto !== undefined) {
      issues.push({ key: 'vlanProto', problem: 'needs vlan' })
    } else if (vlan === 0 && vlanProto === '802.1ad') {
      issues.push({ key: 'vlanProto', problem: '802.1ad needs a vlan other than 0' })
    }
  }
  return vlan === undefined ? undefined : { vlan, vlanQoS, vlanProto }
}

/** What belongs to ways of choosing and binding that this version does not have. */
function refuseUnsupported(
  values: NetConfValues,
  runtime: RuntimeValues,
  args: CallArgs,
  hasDevice: boolean,
  issues: ConfigIssue[],
): void {
  const refuse = (key: string) => issues.push({ key, problem: 'is not yet supported' })
  if (!hasDevice) {
    for (const key of ['master', 'if0', 'vf', 'selectors'] as const) {
      if (values[key] !== undefined) {
        refuse(key)
      }
    }
    if (args.extra.VF !== undefined) {
      refuse('CNI_ARGS VF')
    }
  }
  if (values.pfOnly === true) {
    refuse('pfOnly')
  }
  if (values.if0name !== undefined) {
    refuse('if0name')
  }
  if (values.dpdk !== undefined) {
    refuse('dpdk')
  }
  if (runtime.CNIDeviceInfoFile !== undefined) {
    refuse('runtimeConfig.CNIDeviceInfoFile')
  }
}

function readDevice(
  values: NetConfValues,
  runtime: RuntimeValues,
  known: ReadonlyMap<string, unknown>,
  issues: ConfigIssue[],
): PciAddress | undefined {
  const given = [
    ['runtimeConfig.deviceID', runtime.deviceID],
    ['deviceID', values.deviceID],
    ['pciBusID', values.pciBusID],
  ] as const
  const [first, ...others] = given.filter(([, address]) => address !== undefined)
  for (const [key, address] of others) {
    if (address !== first?.[1]) {
      issues.push({ key, problem: `${address} is not the device that ${first?.[0]} names (${first?.[1]})` })
    }
  }
  const isBroken = issues.some(({ key }) => given.some(([name]) => name === key))
  const hasOtherWay = ['master', 'if0', 'selectors'].some((key) => known.has(key))
  if (!first && !isBroken && !hasOtherWay) {
    issues.push({ key: 'deviceID', problem: 'is missing: name the VF by its PCI address, like 0000:01:10.0' })
  }
  return first?.[1]
}

function readIpamType(values: NetConfValues, issues: ConfigIssue[]): string | undefined {
  const type = valueAt(values.ipam, 'type')
  if (values.l2enable === true || type === undefined || type === '') {
    return undefined
  }
  if (typeof type !== 'string' || type.includes('/') || type === '.' || type === '..') {
    issues.push({ key: 'ipam.type', problem: `must be the name of an IPAM plugin (it is ${JSON.stringify(type)})` })
    return undefined
  }
  return type
}

function readAttachments(values: NetConfValues): readonly KnownAttachment[] | undefined {
  const list = values['cni.dev/valid-attachments'] ?? values['cni.dev/attachments']
  return list?.map((attachment) => ({
    containerId: String(valueAt(attachment, 'containerID') ?? ''),
    ifName: String(valueAt(attachment, 'ifname') ?? ''),
  }))
}

const onOff = (value: 'on' | 'off' | undefined): boolean | undefined =>
  value === undefined ? undefined : value === 'on'

/** The object without its undefined values, as exactOptionalPropertyTypes wants it. */
const present = <T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }

/** Reads the whole network configuration (docs/configuration.md): every issue, every warning, nothing thrown. */
export function parseNetConf({ cniVersion, name, text, object }: NetConfHeader, args: CallArgs): ParsedNetConf {
  const issues: ConfigIssue[] = []
  const { known, unknown } = foldKeys(object, CONF_KEYS)
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
  const deviceId = readDevice(values, runtime, known, issues)
  refuseUnsupported(values, runtime, args, deviceId !== undefined, issues)
  const conf: NetConf = {
    cniVersion,
    name,
    text,
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
      deviceId,
      ipamType: readIpamType(values, issues),
      logFile: values.logFile,
      dns: values.dns,
      prevResult: values.prevResult,
      validAttachments: readAttachments(values),
    }),
  }
  const warnings = unknown.flatMap((key) => {
    const suggestion = suggestKey(key, CONF_KEYS)
    return suggestion === undefined ? [] : [`unknown key "${key}" is ignored; did you mean "${suggestion}"?`]
  })
  return { conf, issues, warnings }
}

/** The configuration, or one error that names every problem. @throws PluginError kind `config` */
export function requireValid({ conf, issues }: ParsedNetConf): NetConf {
  if (issues.length > 0) {
    throw new PluginError({ kind: 'config', issues })
  }
  return conf
}
