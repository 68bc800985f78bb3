/** Reads the resources from the configuration file of the RDMA shared device plugin (k8s-rdma-shared-dev-plugin, README). */
import * as z from 'zod/mini'
import { readSelectors, type Selectors } from '../../cni/conf/selectors.js'
import { foldKeys, isJsonObject, type JsonObject, keyTable, parseJsonObject } from '../../cni/json.js'
import { type ConfigIssue, messageOf } from '../../errors.js'
import type { ReadConf } from './conf-in-force.js'
import { RESOURCE_KEYS } from './conf-schema.js'

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

function readEntry(entry: unknown, at: string, issues: ConfigIssue[], ignored: string[]): RdmaConf | undefined {
  const { known, unknown } = foldKeys(isJsonObject(entry) ? entry : {}, ENTRY_KEYS)
  ignored.push(...unknown.map((name) => `${at}.${name.slice(0, 64)}`))
  const read = Entry.safeParse(Object.fromEntries(known))
  if (!isJsonObject(entry) || !read.success) {
    const problems = read.success ? [] : read.error.issues
    issues.push(
      ...(problems.length === 0
        ? [{ key: at, problem: 'must be an object' }]
        : problems.map(({ path, message }) => ({ key: [at, ...path.map(String)].join('.'), problem: message }))),
    )
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
export function readRdmaConf(text: string, what: string): ReadConf<RdmaConf> {
  let file: JsonObject
  try {
    file = parseJsonObject(text, what)
  } catch (error) {
    return { resources: [], issues: [{ key: what, problem: messageOf(error) }], ignored: [] }
  }
  const { known, unknown } = foldKeys(file, FILE_KEYS)
  const ignored = [...unknown]
  const list = known.get('configList')
  if (!Array.isArray(list)) {
    return { resources: [], issues: [{ key: 'configList', problem: 'must be a list of resources' }], ignored }
  }
  const issues: ConfigIssue[] = []
  const resources: RdmaConf[] = []
  for (const [i, entry] of list.entries()) {
    const own: ConfigIssue[] = []
    const conf = readEntry(entry, `configList[${i}]`, own, ignored)
    if (conf && resources.some(({ resource }) => resource === conf.resource)) {
      own.push({ key: `configList[${i}].resourceName`, problem: `is not the first ${conf.resource}` })
    }
    if (conf && own.length === 0) {
      resources.push(conf)
    }
    issues.push(...own)
  }
  return { resources, issues, ignored }
}
