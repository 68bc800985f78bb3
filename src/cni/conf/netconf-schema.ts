import * as z from 'zod/mini'
import { isUnicastMac, parseMac } from '../../netlink/mac.js'
import { parsePciAddress } from '../../pci/address.js'
import { ifNameProblem } from '../args.js'
import { isJsonObject } from '../json.js'
import { LOG_LEVELS } from '../log-levels.js'

// One process reads one configuration: compiling the checks would cost more than it saves.
z.config({ jitless: true })

/** In bytes: what IPv4 needs (RFC 791). */
export const MIN_MTU = 68
export const MAX_U32 = 0xffffffff

const whole = (minimum: number, maximum: number) => {
  const error = `must be a whole number from ${minimum} to ${maximum}`
  return z.int(error).check(z.minimum(minimum, error), z.maximum(maximum, error))
}

const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, `must be ${values.map((value) => `"${value}"`).join(' or ')}`)

const text = z.string('must be a string')
const flag = z.boolean('must be true or false')
const object = z.record(z.string(), z.unknown(), 'must be an object')

/** Checks a list as a whole: if many entries are wrong, one message serves as well as a message for each. */
const listOf = <Entry>(isEntry: (value: unknown) => value is Entry, error: string) =>
  z.custom<readonly Entry[]>((value) => Array.isArray(value) && value.every(isEntry), error)

const PciAddress = z.pipe(
  text.check(z.refine((value) => parsePciAddress(value) !== undefined, 'must be a PCI address like 0000:01:10.0')),
  z.transform((value) => parsePciAddress(value) ?? value),
)

/** A unicast MAC. The parsed value is lower case with colons. */
export const Mac = z.pipe(
  text.check(
    z.refine((value) => parseMac(value) !== undefined, 'must be a MAC address like 02:00:00:00:00:01'),
    z.refine((value) => {
      const bytes = parseMac(value)
      return bytes === undefined || isUnicastMac(bytes)
    }, 'must be a unicast address and not zero'),
  ),
  z.transform((value) => value.toLowerCase().replaceAll('-', ':')),
)

const IfName = text.check(
  z.refine((value) => ifNameProblem(value) === undefined, 'must be the name of a network interface'),
)

const VlanProto = z.pipe(
  z.pipe(
    text,
    z.transform((value) => value.toLowerCase()),
  ),
  z.enum(['802.1q', '802.1ad'], 'must be "802.1q" or "802.1ad"'),
)

/** The Go sriov-cni also has `panic`, a level above error. */
const LogLevel = z.pipe(
  oneOf([...LOG_LEVELS, 'panic']),
  z.transform((level) => (level === 'panic' ? 'error' : level)),
)

const AbsolutePath = text.check(
  z.refine((value) => value.startsWith('/') && !value.includes('\0'), 'must be an absolute path'),
)

const Attachments = listOf(isJsonObject, 'must be a list of attachments')

/** A VLAN ID from 0 (untagged) to 4094 (IEEE 802.1Q). Also checks CNI_ARGS VLAN. */
export const Vlan = whole(0, 4094)

/** Every key of the network configuration with its rule. Rules that involve two keys are in netconf-rules.ts. */
export const NET_CONF_KEYS = {
  type: text,
  deviceID: PciAddress,
  pciBusID: PciAddress,
  master: IfName,
  if0: IfName,
  vf: whole(0, MAX_U32),
  selectors: object,
  numaNode: whole(0, 1023),
  pfOnly: flag,
  if0name: IfName,
  l2enable: flag,
  vlan: Vlan,
  vlanQoS: whole(0, 7),
  vlanProto: VlanProto,
  mac: Mac,
  min_tx_rate: whole(0, MAX_U32),
  max_tx_rate: whole(0, MAX_U32),
  spoofchk: oneOf(['on', 'off']),
  trust: oneOf(['on', 'off']),
  link_state: oneOf(['auto', 'enable', 'disable']),
  mtu: whole(MIN_MTU, MAX_U32),
  promisc: flag,
  allmulti: flag,
  dpdk: object,
  flr: flag,
  rdma: flag,
  ipam: object,
  logLevel: LogLevel,
  logFile: AbsolutePath,
  cniDir: AbsolutePath,
  runtimeConfig: object,
  capabilities: object,
  args: object,
  masterplugin: flag,
  prevResult: object,
  dns: object,
  'cni.dev/valid-attachments': Attachments,
  'cni.dev/attachments': Attachments,
} as const

type Keys = typeof NET_CONF_KEYS

/** The valid values of a configuration, by the canonical name of their key. */
export type NetConfValues = { readonly [Key in keyof Keys]?: z.output<Keys[Key]> }

/** The keys of runtimeConfig with their rules (CNI conventions; NPWG device information specification). */
export const RUNTIME_KEYS = {
  mac: Mac,
  deviceID: PciAddress,
  ips: listOf((one) => typeof one === 'string', 'must be a list of addresses'),
  CNIDeviceInfoFile: AbsolutePath,
} as const

export type RuntimeValues = { readonly [Key in keyof typeof RUNTIME_KEYS]?: z.output<(typeof RUNTIME_KEYS)[Key]> }
