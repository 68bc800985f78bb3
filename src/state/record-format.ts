/** The format of a record in its file, and what else a file under its name may be. */
import { isJsonObject, type JsonObject, valueAt } from '../cni/json.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import { type AttachmentRecord, type Phase, RECORD_SCHEMA } from './record.js'

/** The types of the fields that a release needs. `wanted` is only compared with, by CHECK. */
const SHAPE = {
  phase: 'string',
  containerId: 'string',
  ifName: 'string',
  network: 'string',
  netns: { path: 'string', device: 'string', inode: 'string' },
  bootId: 'string',
  deviceId: 'string',
  driver: 'string',
  original: {
    netdev: {
      name: 'string',
      mac: 'string?',
      mtu: 'number?',
      devPort: 'number?',
      isUp: 'boolean',
      isPromisc: 'boolean',
      isAllmulti: 'boolean',
      altNames: 'strings?',
    },
  },
  wanted: { vf: {}, netdev: {} },
} as const

const OPTIONAL_SHAPE = {
  pf: {
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
  representor: { name: 'string', mtu: 'number', isUp: 'boolean' },
  folder: 'string',
  view: { mount: 'string', pid: 'string' },
  driverOverride: 'string',
  dpdk: { driver: 'string', kernelDriver: 'string', tool: 'string?' },
  flr: 'boolean',
  deviceInfoFile: 'string',
  podIfName: 'string',
  releaseAdminMac: 'string',
  ipam: { type: 'string', stdin: 'string', environment: {} },
  result: {},
} as const

const PHASES: readonly unknown[] = ['intent', 'attached', 'releasing', 'released'] satisfies Phase[]

type Shape = { readonly [key: string]: string | Shape }

/** `string?` may be absent; `strings` is a list of strings. */
const isOfType = (value: unknown, type: string): boolean =>
  type.endsWith('?')
    ? value === undefined || isOfType(value, type.slice(0, -1))
    : type === 'strings'
      ? Array.isArray(value) && value.every((one) => typeof one === 'string')
      : typeof value === type

/**
 * The first field whose type is wrong; undefined when all are right. Not zod: every DEL reads this, and zod takes two
 * milliseconds for its first object.
 */
function firstMisfit(value: unknown, shape: Shape, path = ''): string | undefined {
  if (!isJsonObject(value)) {
    return path === '' ? 'it' : path
  }
  for (const [key, type] of Object.entries(shape)) {
    const at = path === '' ? key : `${path}.${key}`
    const misfit =
      typeof type === 'object' ? firstMisfit(value[key], type, at) : isOfType(value[key], type) ? undefined : at
    if (misfit !== undefined) {
      return misfit
    }
  }
  return undefined
}

function misfitOf(value: JsonObject): string | undefined {
  const present = Object.fromEntries(Object.entries(OPTIONAL_SHAPE).filter(([key]) => value[key] !== undefined))
  const second = valueAt(value.original, 'second')
  return (
    firstMisfit(value, SHAPE) ??
    firstMisfit(value, present) ??
    (second === undefined ? undefined : firstMisfit(second, SHAPE.original.netdev, 'original.second')) ??
    firstWrongValue(value as unknown as AttachmentRecord)
  )
}

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
  /** A record of the Go sriov-cni: see go-record.ts. */
  | { readonly kind: 'go'; readonly conf: JsonObject; readonly deviceId: PciAddress }
  /** A record of intel's plugin 0.x: see intel-record.ts. */
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
