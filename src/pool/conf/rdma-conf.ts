/** Reads the resources from the configuration file of the RDMA shared device plugin (k8s-rdma-shared-dev-plugin, README). */
import * as z from 'zod/mini'
import { readSelectors, type Selectors } from '../../cni/conf/selectors.js'
import { type JsonObject, keyTable } from '../../cni/json.js'
import type { ConfigIssue } from '../../errors.js'
import type { ReadConf } from './conf-in-force.js'
import { RESOURCE_KEYS } from './conf-schema.js'
import { issuesAt, readResourceList } from './resource-list.js'

/** A resource whose pods share RDMA devices. */
export interface RdmaConf {
  /** `rdma/hca`. */
  readonly resource: string
  /** How many pods may share the devices. */
  readonly maxPods: number
  readonly selectors: Pick<Selectors, 'vendors' | 'devices' | 'drivers' | 'linkTypes'>
  /** The interfaces of the devices; absent: any. */
  readonly interfaces?: readonly string[]
}

const DEFAULT_PREFIX = 'rdma'
const MAX_PODS = 10_000

const names = z.array(z.string(), 'must be a list of interface names')
const ENTRY = {
  resourceName: RESOURCE_KEYS.resourceName,
  resourcePrefix: RESOURCE_KEYS.resourcePrefix,
  rdmaHcaMax: z
    .int('must be a whole number')
    .check(z.minimum(1, 'must be 1 or more'), z.maximum(MAX_PODS, `must be ${MAX_PODS} or less`)),
  selectors: z.record(z.string(), z.unknown(), 'must be an object'),
  devices: names,
} as const
const Entry = z.partial(z.object(ENTRY))

const FILE_KEYS = keyTable(['periodicUpdateInterval', 'configList'])
const ENTRY_KEYS = keyTable(Object.keys(ENTRY))
/** What selectors are called there, and in our own. */
const SELECTORS = new Map([
  ['vendors', 'vendors'],
  ['deviceids', 'devices'],
  ['drivers', 'drivers'],
  ['linktypes', 'linkTypes'],
])

function readChoice(given: JsonObject, at: string, issues: ConfigIssue[]): Pick<RdmaConf, 'selectors' | 'interfaces'> {
  const own: Record<string, unknown> = {}
  let interfaces: readonly string[] | undefined
  for (const [name, value] of Object.entries(given)) {
    const key = SELECTORS.get(name.toLowerCase())
    if (name.toLowerCase() === 'ifnames') {
      const read = z.nullable(names).safeParse(value)
      if (!read.success) {
        issues.push({ key: `${at}.ifNames`, problem: 'must be a list of interface names' })
      } else if (read.data && read.data.length > 0) {
        interfaces = read.data
      }
    } else if (key === undefined) {
      issues.push({
        key: `${at}.${name}`,
        problem: 'is not known; known are vendors, deviceIDs, drivers, ifNames, linkTypes',
      })
    } else {
      own[key] = value
    }
  }
  const found: ConfigIssue[] = []
  const selectors = readSelectors(own, found)
  issues.push(...found.map((issue) => ({ ...issue, key: issue.key.replace(/^selectors/, at) })))
  return { selectors, ...(interfaces && { interfaces }) }
}

function readEntry(known: ReadonlyMap<string, unknown>, at: string, issues: ConfigIssue[]): RdmaConf | undefined {
  const read = Entry.safeParse(Object.fromEntries(known))
  if (!read.success) {
    issues.push(...issuesAt(at, read.error.issues))
    return undefined
  }
  const { resourceName, resourcePrefix = DEFAULT_PREFIX, rdmaHcaMax, selectors, devices } = read.data
  if (resourceName === undefined || rdmaHcaMax === undefined) {
    issues.push({ key: `${at}.${resourceName === undefined ? 'resourceName' : 'rdmaHcaMax'}`, problem: 'is missing' })
    return undefined
  }
  const choice = readChoice(selectors ?? (devices ? { ifNames: devices } : {}), `${at}.selectors`, issues)
  return { resource: `${resourcePrefix}/${resourceName}`, maxPods: rdmaHcaMax, ...choice }
}

/** Throws nothing. */
export const readRdmaConf = (text: string, what: string): ReadConf<RdmaConf> =>
  readResourceList(text, what, { listKey: 'configList', fileKeys: FILE_KEYS, entryKeys: ENTRY_KEYS, readEntry })
