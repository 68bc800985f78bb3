import * as z from 'zod/mini'
import { type PfSelector, parsePfSelector } from '../cni/conf/selectors.js'
import { plainPath } from './paths.js'
import type { Limits, PolicyRules, VlanRange } from './policy.js'

const MAX_VLAN = 4094
const MAX_U32 = 0xffffffff
const VLANS = /^(\d{1,4})-(\d{1,4})$/

const flag = z.boolean('must be true or false')

/** A list whose entries `parse` reads. `pattern` is what JSON Schema can say of them. */
const listOf = <Entry>(of: z.ZodMiniType, parse: (value: unknown) => Entry | undefined, rule: string) =>
  z.pipe(
    z
      .array(of, `must be a list, each ${rule}`)
      .check(z.refine((list) => list.every((one) => parse(one) !== undefined), `must be a list, each ${rule}`)),
    z.transform((list) => list.map((one) => parse(one) as Entry)),
  )

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

function vlanRange(value: unknown): VlanRange | undefined {
  const [, from, to] = typeof value === 'string' ? (VLANS.exec(value) ?? []) : []
  const range: VlanRange = typeof value === 'number' ? [value, value] : [Number(from), Number(to)]
  return Number.isInteger(range[0]) && range[0] >= 0 && range[0] <= range[1] && range[1] <= MAX_VLAN ? range : undefined
}

const pfSelector = (value: unknown): PfSelector | undefined =>
  typeof value === 'string' ? parsePfSelector(value, text) : undefined

const Paths = listOf(z.string(), plainPath, 'an absolute path without . and ..')
const Names = listOf(z.string(), text, 'a name')
const Pfs = listOf(z.string(), pfSelector, 'the name or PCI address of a PF, like ens1f0 or 0000:01:00.0#0-3')

const LIMITS = {
  pfs: Pfs,
  vlans: listOf(z.union([z.string(), z.number()]), vlanRange, 'a VLAN like 300, or VLANs like "100-199"'),
  trust: flag,
  spoofchkOff: flag,
  promisc: flag,
  allmulti: flag,
  pfOnly: flag,
  dpdk: flag,
  maxTxRate: z.int('must be a rate in Mbit/s').check(z.minimum(1), z.maximum(MAX_U32)),
} satisfies Record<keyof Limits, z.ZodMiniType>

const optionalAll = <Shape extends Record<string, z.ZodMiniType>>(shape: Shape) => z.partial(z.strictObject(shape))

const RULES = {
  stateFolders: Paths,
  logFolders: Paths,
  deviceInfoFolders: Paths,
  dpdkTools: Paths,
  dpdkDrivers: Names,
  kernelDrivers: Names,
  hostInterfaces: flag,
  wholePfs: z.union([z.literal('unused'), z.literal(false), Names], 'must be "unused", false or a list of PFs'),
  pfs: Pfs,
  namespaces: z.record(z.string(), optionalAll(LIMITS)),
  pluginFolders: Paths,
  kubeletFolder: z.pipe(
    z.string().check(z.refine((value) => plainPath(value) !== undefined, 'must be an absolute path')),
    z.transform((value) => plainPath(value) as string),
  ),
} satisfies Record<keyof PolicyRules, z.ZodMiniType>

/** What one policy file may contain. A rule that it leaves out stays as it is. */
export const PolicyFile = optionalAll(RULES)
