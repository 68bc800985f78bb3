import { isJsonObject, type JsonObject, valueAt } from '../cni/json.js'
import type { WantedNetdev, WantedVf } from '../cni/wanted.js'
import type { NetnsId } from '../host/ports.js'
import type { VfSettings } from '../netlink/vf-info.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'

/** Raised when a field changes its meaning: an older plugin must not act on a record it misreads. */
export const RECORD_SCHEMA = 1

/** The network interface of a VF as it was on the host; what is absent was not recorded, and is left as it is. */
export interface OriginalNetdev {
  /** "" where it had none: it was bound to a user space driver. */
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  /** Which of two it is, where the VF has two. */
  readonly devPort?: number
  readonly isUp: boolean
  readonly isPromisc: boolean
  readonly isAllmulti: boolean
  readonly altNames?: readonly string[]
  /** Whether the kernel tells the PCI device of an interface (since 5.14): a name alone does not prove it then. */
  readonly isDeviceShown: boolean
}

/** The PF of a VF, the VF's number there, and the settings that the PF held for it: those that are to be given back. */
export interface RecordedPf {
  readonly address: PciAddress
  readonly name: string
  readonly vfIndex: number
  readonly vf: Partial<VfSettings>
}

/** The representor of a VF as it was (switchdev mode). MTU in bytes. */
export interface RecordedRepresentor {
  readonly name: string
  readonly mtu: number
  readonly isUp: boolean
}

/** How the IPAM plugin was called, to call it again without the configuration at hand. */
export interface IpamCall {
  readonly type: string
  readonly stdin: string
  readonly environment: Readonly<Record<string, string>>
}

/**
 * `intent` until the ADD is through, then `attached`; `releasing` as soon as it is being given back. `released`: the VF
 * is back and may serve others; only the lease is left to be freed. An `intent` or a `releasing` whose VF is not locked
 * is of a call that died: whoever meets it finishes the job (docs/reliability.md).
 */
export type Phase = 'intent' | 'attached' | 'releasing' | 'released'

/** Which attachment: what the runtime tells it by, and what its record is called. */
export interface AttachmentKey {
  readonly containerId: string
  readonly ifName: string
}

export const isSameKey = (left: AttachmentKey, right: AttachmentKey): boolean =>
  left.containerId === right.containerId && left.ifName === right.ifName

/** All that is known of one attachment: written before the first change, complete enough to give everything back. */
export interface AttachmentRecord extends AttachmentKey {
  readonly schema: typeof RECORD_SCHEMA
  readonly phase: Phase
  /** Name of the network, "" for Multus 1. */
  readonly network: string
  readonly netns: NetnsId & { readonly path: string }
  /** /proc/sys/kernel/random/boot_id: what the kernel held is gone after another boot. */
  readonly bootId: string
  readonly deviceId: PciAddress
  /** The VF's; "" where it was not recorded. */
  readonly driver: string
  /** `second`: a ConnectX-3 has two interfaces behind one VF. */
  readonly original: { readonly netdev: OriginalNetdev; readonly second?: OriginalNetdev }
  /** Absent for a VF whose PF is out of sight, and for a PF itself. */
  readonly pf?: RecordedPf
  readonly representor?: RecordedRepresentor
  readonly wanted: { readonly vf: WantedVf; readonly netdev: WantedNetdev }
  /** What the interface is called in the pod, where that is not `ifName`. */
  readonly podIfName?: string
  /** What the PF is told as MAC on release (see sriov/mac.ts); absent until we are about to tell it one. */
  readonly releaseAdminMac?: string
  readonly ipam?: IpamCall
  readonly result?: JsonObject
}

/** The types of the fields that releasing needs; `wanted` is only compared with, by CHECK. */
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
      isUp: 'boolean',
      isPromisc: 'boolean',
      isAllmulti: 'boolean',
      altNames: 'strings?',
      isDeviceShown: 'boolean',
    },
  },
  wanted: { vf: {}, netdev: {} },
} as const

/** The types of fields that may be absent. */
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
  podIfName: 'string',
  releaseAdminMac: 'string',
  ipam: { type: 'string', stdin: 'string', environment: {} },
  result: {},
} as const

const PHASES: readonly unknown[] = ['intent', 'attached', 'releasing', 'released'] satisfies Phase[]

type Shape = { readonly [key: string]: string | Shape }

/** `string?` may be absent, `strings` is a list. */
const isOfType = (value: unknown, type: string): boolean =>
  type.endsWith('?')
    ? value === undefined || isOfType(value, type.slice(0, -1))
    : type === 'strings'
      ? Array.isArray(value) && value.every((one) => typeof one === 'string')
      : typeof value === type

/**
 * The first field that is not of its type; undefined when all are. Not zod: this is read on every DEL, and zod takes
 * two milliseconds for its first object.
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

/** The first field of a record whose value nobody can have written. */
function firstWrongValue({ phase, original, pf, releaseAdminMac = '' }: AttachmentRecord): string | undefined {
  const { mac = '', vlan = 0, vlanQoS = 0, vlanProto = '802.1q', linkState = 'auto' } = pf?.vf ?? {}
  const isRight: Readonly<Record<string, boolean>> = {
    phase: PHASES.includes(phase),
    'original.netdev.mac': MAC.test(original.netdev.mac ?? ''),
    releaseAdminMac: MAC.test(releaseAdminMac),
    'pf.vf.mac': MAC.test(mac),
    'pf.vf.vlan': vlan >= 0 && vlan <= MAX_VLAN,
    'pf.vf.vlanQoS': vlanQoS >= 0 && vlanQoS <= 7,
    'pf.vf.vlanProto': ['802.1q', '802.1ad'].includes(vlanProto),
    'pf.vf.linkState': ['auto', 'enable', 'disable'].includes(linkState),
  }
  return Object.entries(isRight).find(([, is]) => !is)?.[0]
}

/** What a state file turned out to be. */
export type ReadRecord =
  | { readonly kind: 'record'; readonly record: AttachmentRecord }
  /** Of the Go sriov-cni: see go-record.ts. */
  | { readonly kind: 'go'; readonly conf: JsonObject; readonly deviceId: PciAddress }
  /** Not ours to touch. `isOtherAttachment`: ours, but of another container and interface with the same file name. */
  | { readonly kind: 'foreign'; readonly problem: string; readonly isOtherAttachment?: boolean }
  /** `isUnsure`: the disk does not give it; another time it may. */
  | { readonly kind: 'unreadable'; readonly problem: string; readonly isUnsure?: true }

export const formatRecord = (record: AttachmentRecord): string => `${JSON.stringify(record)}\n`

/** The PCI address of the VF that a record of the Go sriov-cni is about; undefined when it is no such record. */
const goRecordDevice = (value: JsonObject): PciAddress | undefined =>
  isJsonObject(value.OrigVfState) ? parsePciAddress(String(value.deviceID)) : undefined

/** Reads a state file; the Go sriov-cni keeps its own kind of record under the same names. Never throws. */
export function parseRecord(fileText: string): ReadRecord {
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
  const goDevice = schema === undefined ? goRecordDevice(value) : undefined
  if (goDevice !== undefined) {
    return { kind: 'go', conf: value, deviceId: goDevice }
  }
  if (schema === undefined) {
    return { kind: 'foreign', problem: 'was written by another plugin' }
  }
  if (typeof schema === 'number' && schema > RECORD_SCHEMA) {
    return { kind: 'foreign', problem: `has schema ${schema}, written by a newer version of this plugin` }
  }
  const misfit = schema === RECORD_SCHEMA ? misfitOf(value) : 'schema'
  if (misfit !== undefined) {
    return { kind: 'unreadable', problem: `${misfit} is missing or wrong` }
  }
  return { kind: 'record', record: value as unknown as AttachmentRecord }
}
