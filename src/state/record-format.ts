/** The format of a record in its file, and what else a file under its name may be. */
import { isJsonObject, type JsonObject } from '../cni/json.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import { type AttachmentRecord, type OriginalNetdev, type Phase, RECORD_SCHEMA } from './record.js'

/** The type of a field: `strings` is a list of strings. */
type TypeName<T> = T extends string
  ? 'string'
  : T extends number
    ? 'number'
    : T extends boolean
      ? 'boolean'
      : T extends readonly string[]
        ? 'strings'
        : 'object'

/** The shape of a field: its type, or the shape of the object in it. One that may be absent has a `?`. */
type FieldShape<T> = undefined extends T
  ? `${TypeName<Exclude<T, undefined>>}?` | { readonly '?': ShapeOf<Exclude<T, undefined>> }
  : TypeName<T> | ShapeOf<T>

/** The shapes of all fields of T: the compiler finds one that is forgotten. */
type ShapeOf<T> = { readonly [Key in keyof T]-?: FieldShape<T[Key]> }

const NETDEV = {
  name: 'string',
  mac: 'string?',
  mtu: 'number?',
  devPort: 'number?',
  isUp: 'boolean',
  isPromisc: 'boolean',
  isAllmulti: 'boolean',
  hasArp: 'boolean?',
  isMulticast: 'boolean?',
  linkMode: 'number?',
  hasXdp: 'boolean?',
  altNames: 'strings?',
  hostConfig: { '?': { addresses: 'strings', routes: 'strings' } },
} as const satisfies ShapeOf<OriginalNetdev>

/** A field that is only an `object` is handed on or compared with as it is. */
const RECORD = {
  schema: 'number',
  phase: 'string',
  containerId: 'string',
  ifName: 'string',
  folder: 'string?',
  network: 'string',
  netns: { path: 'string', device: 'string', inode: 'string' },
  pod: { '?': { namespace: 'string', name: 'string' } },
  since: 'string?',
  view: { '?': { mount: 'string', pid: 'string' } },
  bootId: 'string',
  deviceId: 'string',
  driver: 'string',
  original: { netdev: NETDEV, second: { '?': NETDEV } },
  pf: {
    '?': {
      address: 'string',
      name: 'string',
      vfIndex: 'number',
      vf: {
        mac: 'string?',
        vlan: 'number?',
        vlanQoS: 'number?',
        vlanProto: 'string?',
        minTxRateMbps: 'number?',
        maxTxRateMbps: 'number?',
        spoofchk: 'boolean?',
        trust: 'boolean?',
        linkState: 'string?',
      },
    },
  },
  representor: { '?': { name: 'string', mtu: 'number', isUp: 'boolean' } },
  driverOverride: 'string?',
  dpdk: { '?': { driver: 'string', kernelDriver: 'string', tool: 'string?' } },
  rdma: { '?': { index: 'number', name: 'string' } },
  flr: 'boolean?',
  deviceInfoFile: 'string?',
  wanted: { vf: 'object', netdev: 'object' },
  podIfName: 'string?',
  releaseAdminMac: 'string?',
  ipam: { '?': { type: 'string', stdin: 'string', environment: 'object' } },
  result: 'object?',
} as const satisfies ShapeOf<AttachmentRecord>

const PHASES: readonly unknown[] = ['intent', 'attached', 'releasing', 'released'] satisfies Phase[]

type Shape = { readonly [key: string]: string | Shape }

function isOfType(value: unknown, type: string): boolean {
  if (type === 'strings') {
    return Array.isArray(value) && value.every((one) => typeof one === 'string')
  }
  return type === 'object' ? isJsonObject(value) : typeof value === type
}

/** The field with the wrong type at `path` or below; undefined when all are right. */
function misfitAt(path: string, value: unknown, shape: string | Shape): string | undefined {
  if (typeof shape === 'string') {
    const isRight = shape.endsWith('?')
      ? value === undefined || isOfType(value, shape.slice(0, -1))
      : isOfType(value, shape)
    return isRight ? undefined : path
  }
  const { '?': optional } = shape
  return optional === undefined
    ? firstMisfit(value, shape as Shape, path)
    : value === undefined
      ? undefined
      : misfitAt(path, value, optional)
}

/**
 * The first field whose type is wrong; undefined when all are right. Not zod: every DEL reads this, and zod takes two
 * milliseconds for its first object.
 */
function firstMisfit(value: unknown, shape: Shape, path = ''): string | undefined {
  if (!isJsonObject(value)) {
    return path === '' ? 'it' : path
  }
  for (const [key, of] of Object.entries(shape)) {
    const misfit = misfitAt(path === '' ? key : `${path}.${key}`, value[key], of)
    if (misfit !== undefined) {
      return misfit
    }
  }
  return undefined
}

const misfitOf = (value: JsonObject): string | undefined =>
  firstMisfit(value, RECORD) ?? firstWrongValue(value as unknown as AttachmentRecord)

const MAC = /^([0-9a-f]{2}(:[0-9a-f]{2})+)?$/
const MAX_VLAN = 4095

/** The first field of a record with a value that nobody can have written. */
function firstWrongValue({ phase, original, pf, releaseAdminMac = '' }: AttachmentRecord): string | undefined {
  const { mac = '', vlan = 0, vlanQoS = 0, vlanProto = '802.1q', linkState = 'auto' } = pf?.vf ?? {}
  const isRight: Readonly<Record<string, boolean>> = {
    phase: PHASES.includes(phase),
    'original.netdev.mac': MAC.test(original.netdev.mac ?? ''),
    'original.second.mac': MAC.test(original.second?.mac ?? ''),
    releaseAdminMac: MAC.test(releaseAdminMac),
    'pf.vf.mac': MAC.test(mac),
    'pf.vf.vlan': vlan >= 0 && vlan <= MAX_VLAN,
    'pf.vf.vlanQoS': vlanQoS >= 0 && vlanQoS <= 7,
    'pf.vf.vlanProto': ['802.1q', '802.1ad'].includes(vlanProto),
    'pf.vf.linkState': ['auto', 'enable', 'disable'].includes(linkState),
  }
  return Object.entries(isRight).find(([, is]) => !is)?.[0]
}

/** What a state file contains. */
export type ReadRecord =
  | { readonly kind: 'record'; readonly record: AttachmentRecord }
  /** A record of the Go sriov-cni: see older/go-record.ts. */
  | { readonly kind: 'go'; readonly conf: JsonObject; readonly deviceId: PciAddress }
  /** A record of intel's plugin 0.x: see older/intel-record.ts. */
  | { readonly kind: 'intel'; readonly conf: JsonObject; readonly deviceId: PciAddress }
  /**
   * Not ours to touch: a record of an unknown plugin, of a newer version of this one, or of another container and
   * interface with the same file name.
   */
  | { readonly kind: 'foreign'; readonly of: 'plugin' | 'version' | 'attachment'; readonly problem: string }
  /** `isUnsure`: the disk does not give it now, but may do so another time. */
  | { readonly kind: 'unreadable'; readonly problem: string; readonly isUnsure?: true }

/** The text of a record's state file. */
export const formatRecord = (record: AttachmentRecord): string => `${JSON.stringify(record)}\n`

/** The PCI address of the VF in a record of the Go sriov-cni; undefined for any other record. */
const goRecordDevice = (value: JsonObject): PciAddress | undefined =>
  isJsonObject(value.OrigVfState) ? parsePciAddress(String(value.deviceID)) : undefined

/** The PCI address of a VF that intel's plugin 0.x has bound to a DPDK driver; undefined for any other record. */
const intelRecordDevice = ({ dpdk_driver, kernel_driver, pci_addr }: JsonObject): PciAddress | undefined => {
  const isName = (value: unknown) => typeof value === 'string' && value !== ''
  return isName(dpdk_driver) && isName(kernel_driver) ? parsePciAddress(String(pci_addr)) : undefined
}

/** One call reads the same texts several times. */
const MAX_KNOWN = 8
const MAX_KNOWN_LENGTH = 16 * 1024
const known = new Map<string, ReadRecord>()

/** Reads a state file. The Go sriov-cni keeps its own kind of record under the same names. Never throws. */
export function parseRecord(fileText: string): ReadRecord {
  const before = known.get(fileText)
  if (before) {
    return before
  }
  const read = readRecord(fileText)
  if (known.size >= MAX_KNOWN) {
    known.clear()
  }
  if (fileText.length <= MAX_KNOWN_LENGTH) {
    known.set(fileText, read)
  }
  return read
}

function readRecord(fileText: string): ReadRecord {
  let value: unknown
  try {
    value = JSON.parse(fileText)
  } catch {
    return { kind: 'unreadable', problem: fileText.trim() === '' ? 'is empty' : 'is not JSON' }
  }
  if (!isJsonObject(value)) {
    return { kind: 'unreadable', problem: 'is not a JSON object' }
  }
  const { schema } = value
  if (schema === undefined) {
    const [goDevice, intelDevice] = [goRecordDevice(value), intelRecordDevice(value)]
    if (goDevice !== undefined) {
      return { kind: 'go', conf: value, deviceId: goDevice }
    }
    if (intelDevice !== undefined) {
      return { kind: 'intel', conf: value, deviceId: intelDevice }
    }
    return { kind: 'foreign', of: 'plugin', problem: 'was written by another plugin' }
  }
  if (typeof schema === 'number' && schema > RECORD_SCHEMA) {
    return {
      kind: 'foreign',
      of: 'version',
      problem: `has schema ${schema}, written by a newer version of this plugin`,
    }
  }
  const misfit = schema === RECORD_SCHEMA ? misfitOf(value) : 'schema'
  if (misfit !== undefined) {
    return { kind: 'unreadable', problem: `${misfit} is missing or wrong` }
  }
  return { kind: 'record', record: value as unknown as AttachmentRecord }
}
