import type { ConfigIssue } from '../../errors.js'
import { type PciAddress, parsePciAddress } from '../../pci/address.js'
import { type JsonObject, keyTable, shownJson } from '../json.js'

/**
 * A PF by interface name or PCI address, and the indexes of its VFs: ranges with both ends included, or all VFs when
 * `indexes` is absent.
 */
export interface PfSelector {
  readonly pf: string
  readonly indexes?: readonly (readonly [from: number, to: number])[]
}

/** The vocabulary of the device plugin (sriov-network-device-plugin, "Selectors"). A VF must match every given list. */
export interface Selectors {
  readonly pfNames?: readonly PfSelector[]
  readonly rootDevices?: readonly PfSelector[]
  readonly pciAddresses?: readonly PciAddress[]
  /** Four hexadecimal digits. */
  readonly vendors?: readonly string[]
  readonly devices?: readonly string[]
  readonly drivers?: readonly string[]
  readonly linkTypes?: readonly string[]
  /** The numbers that the firmware gives to slots (acpi_index). */
  readonly acpiIndexes?: readonly string[]
  /** Partition keys of InfiniBand, lower case, like `0x8001`. */
  readonly pKeys?: readonly string[]
  /** Only functions with an RDMA device. */
  readonly isRdma?: true
}

const P_KEY = /^0x[0-9a-f]{1,4}$/
const HEX_ID = /^(?:0x)?([0-9a-f]{4})$/
const RANGE = /^(\d{1,6})(?:-(\d{1,6}))?$/
/** Limits on the unknown names in an error: how many, and how many characters of each. */
const MAX_NAMES_SHOWN = 5
const MAX_NAME_SHOWN = 64
const LINK_TYPES = ['ether', 'infiniband']

/** Parses `0-3,5` into ranges with both ends included; undefined when malformed. */
function parseRanges(text: string): (readonly [number, number])[] | undefined {
  const ranges = text.split(',').map((part): readonly [number, number] | undefined => {
    const [, from, to = from] = RANGE.exec(part.trim()) ?? []
    return from === undefined || Number(to) < Number(from) ? undefined : [Number(from), Number(to)]
  })
  return ranges.every((range) => range !== undefined) ? ranges : undefined
}

/** Parses `ens1f0#0-3,5`; undefined when malformed. */
export function parsePfSelector(text: string, parsePf: (name: string) => string | undefined): PfSelector | undefined {
  const [name = '', list, ...more] = text.split('#')
  const pf = parsePf(name)
  const indexes = list === undefined ? undefined : parseRanges(list)
  if (pf === undefined || more.length > 0 || (list !== undefined && !indexes)) {
    return undefined
  }
  return { pf, ...(indexes && { indexes }) }
}

const nonEmpty = (text: string): string | undefined => (text === '' ? undefined : text)
const hexId = (text: string): string | undefined => HEX_ID.exec(text.toLowerCase())?.[1]

/** A partition key without leading zeros; undefined when malformed. */
export function pKey(text: string): string | undefined {
  const lower = text.trim().toLowerCase()
  return P_KEY.test(lower) ? `0x${Number(lower).toString(16)}` : undefined
}

/** The parser for the entries of each list, and a description of a valid entry. */
const LISTS: Readonly<Record<Exclude<keyof Selectors, 'isRdma'>, readonly [(text: string) => unknown, string]>> = {
  pfNames: [(text) => parsePfSelector(text, nonEmpty), 'a PF name like ens1f0 or ens1f0#0-3,5'],
  rootDevices: [(text) => parsePfSelector(text, parsePciAddress), 'the PCI address of a PF like 0000:01:00.0#0-3,5'],
  pciAddresses: [parsePciAddress, 'a PCI address like 0000:01:10.0'],
  vendors: [hexId, 'a vendor ID like 8086'],
  devices: [hexId, 'a device ID like 154c'],
  drivers: [nonEmpty, 'the name of a driver'],
  linkTypes: [(text) => (LINK_TYPES.includes(text) ? text : undefined), LINK_TYPES.join(' or ')],
  acpiIndexes: [(text) => (/^\d+$/.test(text) ? text : undefined), 'a number like 101, as text'],
  pKeys: [pKey, 'a partition key like 0x8001'],
}

/** The names of all selectors. */
export const SELECTOR_KEYS = [...Object.keys(LISTS), 'isRdma'] as readonly (keyof Selectors)[]
const KEYS = keyTable(SELECTOR_KEYS)

function readList(key: keyof typeof LISTS, value: unknown, issues: ConfigIssue[]): unknown[] | undefined {
  const [parse, expected] = LISTS[key]
  const parsed = Array.isArray(value) ? value.map((one) => (typeof one === 'string' ? parse(one) : undefined)) : []
  if (!Array.isArray(value) || parsed.includes(undefined)) {
    issues.push({
      key: `selectors.${key}`,
      problem: `must be a list, each ${expected} (it is ${shownJson(value)})`,
    })
    return undefined
  }
  // Like the device plugin, treat an empty list as absent.
  return parsed.length > 0 ? parsed : undefined
}

/** Reads `selectors`. An unknown key is an error: if ignored, it would select a wrong VF. */
export function readSelectors(given: JsonObject, issues: ConfigIssue[]): Selectors {
  const selectors: Record<string, unknown> = {}
  const unknown: string[] = []
  for (const [name, value] of Object.entries(given)) {
    const key = KEYS.get(name.toLowerCase()) as keyof Selectors | undefined
    if (key === undefined) {
      unknown.push(name.slice(0, MAX_NAME_SHOWN))
    } else if (key === 'isRdma') {
      if (typeof value !== 'boolean') {
        issues.push({ key: 'selectors.isRdma', problem: `must be true or false (it is ${shownJson(value)})` })
      } else if (value) {
        selectors.isRdma = true
      }
    } else if (value !== null && value !== undefined) {
      const list = readList(key, value, issues)
      if (list) {
        selectors[key] = list
      }
    }
  }
  for (const name of unknown.slice(0, MAX_NAMES_SHOWN)) {
    issues.push({ key: `selectors.${name}`, problem: `is not known; known are ${SELECTOR_KEYS.join(', ')}` })
  }
  return selectors
}
