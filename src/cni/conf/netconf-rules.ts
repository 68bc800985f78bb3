/**
 * The rules of the network configuration that involve more than one key: precedence and contradictions. Each function
 * returns the valid value and adds problems to `issues`.
 */
import type * as z from 'zod/mini'
import type { ConfigIssue } from '../../errors.js'
import type { CallArgs } from '../args.js'
import { foldKeys, type JsonObject, keyTable, parseJsonObject, shownJson, valueAt } from '../json.js'
import { Mac, type NetConfValues, RUNTIME_KEYS, type RuntimeValues, Vlan } from './netconf-schema.js'
import type { KnownAttachment, WantedVf } from './wanted.js'

const RUNTIME_KEY_TABLE = keyTable(Object.keys(RUNTIME_KEYS))
const DIGITS = /^\d{1,10}$/

type Schemas = Readonly<Record<string, z.ZodMiniType>>

function check(schema: z.ZodMiniType, key: string, value: unknown, issues: ConfigIssue[]): unknown {
  const result = schema.safeParse(value)
  if (result.success) {
    return result.data
  }
  const given = typeof value === 'object' ? '' : ` (it is ${shownJson(value)})`
  issues.push({ key, problem: `${result.error.issues[0]?.message ?? 'is wrong'}${given}` })
  return undefined
}

/** Checks every known key of an object separately, so that one call reports every problem. Returns the valid ones. */
export function readKeys(
  schemas: Schemas,
  known: ReadonlyMap<string, unknown>,
  prefix: string,
  issues: ConfigIssue[],
): JsonObject {
  const values: Record<string, unknown> = {}
  for (const key in schemas) {
    const schema = schemas[key]
    if (schema && known.has(key)) {
      const value = check(schema, prefix + key, known.get(key), issues)
      if (value !== undefined) {
        values[key] = value
      }
    }
  }
  return values
}

/** Keys of runtimeConfig that count only when they are declared: the runtime then writes them, and nobody else. */
const DECLARED_ONLY: ReadonlySet<string> = new Set(['CNIDeviceInfoFile'])

/** Reads runtimeConfig. If the configuration declares capabilities, only the declared ones count. */
export function readRuntimeConfig(values: NetConfValues, issues: ConfigIssue[]): RuntimeValues {
  const { known } = foldKeys(values.runtimeConfig ?? {}, RUNTIME_KEY_TABLE)
  const declared = new Map(
    [...known].filter(([key]) => values.capabilities === undefined || valueAt(values.capabilities, key) === true),
  )
  const read = readKeys(RUNTIME_KEYS, declared, 'runtimeConfig.', issues)
  const counts = (key: string) => values.capabilities !== undefined || !DECLARED_ONLY.has(key)
  return Object.fromEntries(Object.entries(read).filter(([key]) => counts(key))) as RuntimeValues
}

/** Reads the MAC. Precedence: runtimeConfig, CNI_ARGS, args.cni, then `mac`. All of them are checked. */
export function readMac(
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

/** Reads the VLAN. CNI_ARGS VLAN takes precedence over `vlan`. QoS and protocol need a VLAN. */
export function readVlan(values: NetConfValues, args: CallArgs, issues: ConfigIssue[]): WantedVf['vlan'] {
  const { VLAN } = args.extra
  const fromArgs = VLAN === undefined ? undefined : DIGITS.test(VLAN) ? Number(VLAN) : VLAN
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

/** The name of the IPAM plugin, which is a file name in CNI_PATH; undefined for layer 2. */
export function readIpamType(values: NetConfValues, issues: ConfigIssue[]): string | undefined {
  const type = valueAt(values.ipam, 'type')
  if (values.l2enable === true || type === undefined || type === '') {
    return undefined
  }
  if (typeof type !== 'string' || type.includes('/') || type === '.' || type === '..') {
    issues.push({ key: 'ipam.type', problem: `must be the name of an IPAM plugin (it is ${shownJson(type)})` })
    return undefined
  }
  if (type === values.type) {
    issues.push({
      key: 'ipam.type',
      problem: `must be an IPAM plugin: "${type}" is this plugin, which gives no addresses`,
    })
    return undefined
  }
  return type
}

const ATTACHMENT_LISTS = ['cni.dev/valid-attachments', 'cni.dev/attachments'] as const

/** The attachments that GC must keep; undefined when the runtime sends no list. */
export function readAttachments(values: NetConfValues): readonly KnownAttachment[] | undefined {
  const list = ATTACHMENT_LISTS.map((key) => values[key]).find((one) => one != null)
  return list?.map((attachment) => ({
    containerId: String(valueAt(attachment, 'containerID') ?? ''),
    ifName: String(valueAt(attachment, 'ifname') ?? ''),
  }))
}

/** The text of a configuration with another list of the attachments that GC must keep. */
export function withAttachments(text: string, attachments: readonly KnownAttachment[]): string {
  const list = attachments.map(({ containerId, ifName }) => ({ containerID: containerId, ifname: ifName }))
  const conf = parseJsonObject(text, 'stdin')
  return JSON.stringify({
    ...conf,
    ...Object.fromEntries(ATTACHMENT_LISTS.filter((key) => Object.hasOwn(conf, key)).map((key) => [key, list])),
  })
}
