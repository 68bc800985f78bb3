import * as z from 'zod/mini'
import type { JsonObject } from '../cni/json.js'
import type { WantedNetdev, WantedVf } from '../cni/wanted.js'
import type { NetnsId } from '../host/ports.js'
import type { VfSettings } from '../netlink/vf-info.js'
import type { PciAddress } from '../pci/address.js'

/** Raised when a field changes its meaning: an older plugin must not act on a record it misreads. */
export const RECORD_SCHEMA = 1

/** The network interface of a VF as it was on the host. */
export interface OriginalNetdev {
  readonly name: string
  readonly mac: string
  readonly mtu: number
  readonly isUp: boolean
  readonly isPromisc: boolean
  readonly isAllmulti: boolean
  readonly altNames: readonly string[]
}

/** How the IPAM plugin was called, to call it again without the configuration at hand. */
export interface IpamCall {
  readonly type: string
  readonly stdin: string
  readonly environment: Readonly<Record<string, string>>
}

/** All that is known of one attachment: written before the first change, complete enough to give everything back. */
export interface AttachmentRecord {
  readonly schema: typeof RECORD_SCHEMA
  /** `intent` until the ADD is through. */
  readonly phase: 'intent' | 'attached'
  readonly containerId: string
  readonly ifName: string
  /** Name of the network, "" for Multus 1. */
  readonly network: string
  readonly netns: NetnsId & { readonly path: string }
  /** /proc/sys/kernel/random/boot_id: what the kernel held is gone after another boot. */
  readonly bootId: string
  readonly deviceId: PciAddress
  readonly pf: { readonly address: PciAddress; readonly name: string }
  readonly vfIndex: number
  readonly driver: string
  readonly original: { readonly netdev: OriginalNetdev; readonly vf: VfSettings }
  readonly wanted: { readonly vf: WantedVf; readonly netdev: WantedNetdev }
  /** What the PF is told as MAC on release (see sriov/mac.ts); absent until we are about to tell it one. */
  readonly releaseAdminMac?: string
  readonly ipam?: IpamCall
  readonly result?: JsonObject
}

const text = z.string()
const flag = z.boolean()
const count = z.number()
const VlanProtoSchema = z.enum(['802.1q', '802.1ad'])
const LinkStateSchema = z.enum(['auto', 'enable', 'disable'])

const Schema = z.looseObject({
  schema: z.literal(RECORD_SCHEMA),
  phase: z.enum(['intent', 'attached']),
  containerId: text,
  ifName: text,
  network: text,
  netns: z.looseObject({ path: text, device: text, inode: text }),
  bootId: text,
  deviceId: text,
  pf: z.looseObject({ address: text, name: text }),
  vfIndex: count,
  driver: text,
  original: z.looseObject({
    netdev: z.looseObject({
      name: text,
      mac: text,
      mtu: count,
      isUp: flag,
      isPromisc: flag,
      isAllmulti: flag,
      altNames: z.array(text),
    }),
    vf: z.looseObject({
      mac: text,
      vlan: count,
      vlanQoS: count,
      vlanProto: VlanProtoSchema,
      minTxRateMbps: count,
      maxTxRateMbps: count,
      spoofchk: flag,
      trust: flag,
      linkState: LinkStateSchema,
    }),
  }),
  wanted: z.looseObject({ vf: z.looseObject({}), netdev: z.looseObject({}) }),
  releaseAdminMac: z.optional(text),
  ipam: z.optional(z.looseObject({ type: text, stdin: text, environment: z.record(text, text) })),
  result: z.optional(z.record(text, z.unknown())),
})

/** What a state file turned out to be. */
export type ReadRecord =
  | { readonly kind: 'record'; readonly record: AttachmentRecord }
  | { readonly kind: 'foreign'; readonly problem: string }
  | { readonly kind: 'unreadable'; readonly problem: string }

export const formatRecord = (record: AttachmentRecord): string => `${JSON.stringify(record)}\n`

/** Reads a state file; the Go sriov-cni keeps its own kind of record under the same names. Never throws. */
export function parseRecord(fileText: string): ReadRecord {
  let value: unknown
  try {
    value = JSON.parse(fileText)
  } catch {
    return { kind: 'unreadable', problem: fileText.trim() === '' ? 'is empty' : 'is not JSON' }
  }
  const schema = typeof value === 'object' && value !== null && 'schema' in value ? value.schema : undefined
  if (schema === undefined) {
    return { kind: 'foreign', problem: 'was written by another plugin' }
  }
  if (typeof schema === 'number' && schema > RECORD_SCHEMA) {
    return { kind: 'foreign', problem: `has schema ${schema}, written by a newer version of this plugin` }
  }
  const parsed = Schema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return { kind: 'unreadable', problem: `${issue?.path.join('.') ?? 'it'}: ${issue?.message ?? 'is wrong'}` }
  }
  // The schema checks what releasing needs; `wanted` is only compared with, by CHECK.
  return { kind: 'record', record: value as AttachmentRecord }
}
