/** Reads the resources from the configuration file of the SR-IOV network device plugin. */

import { readSelectors, type Selectors } from '../../cni/conf/selectors.js'
import { type JsonObject, keyTable } from '../../cni/json.js'
import { type ConfigIssue, messageOf } from '../../errors.js'
import type { ReadConf } from './conf-in-force.js'
import { type Allocation, type DeviceType, RESOURCE_KEYS, ResourceEntry } from './conf-schema.js'
import { issuesAt, readResourceList } from './resource-list.js'

/** One object of `selectors`: the devices that it means, and what their containers get beside them. */
export interface Choice {
  readonly selectors: Selectors
  readonly isRdma: boolean
  readonly needsVhostNet: boolean
}

export type AdditionalInfo = Readonly<Record<string, Readonly<Record<string, string>>>>

/** A resource that pods can ask for. */
export interface ResourceConf {
  /** `intel.com/sriov`. */
  readonly resource: string
  readonly deviceType: DeviceType
  /** The first that matches counts. */
  readonly choices: readonly Choice[]
  readonly excludesTopology: boolean
  readonly additionalInfo: AdditionalInfo
  readonly allocation?: Allocation
  readonly healthFromCarrier: boolean
  readonly cdi: boolean
}

export type PoolConf = ReadConf<ResourceConf>

export const DEFAULT_PREFIX = 'intel.com'
/** Without selectors: every device of its type. */
const EVERYTHING: Choice = { selectors: {}, isRdma: false, needsVhostNet: false }

const FILE_KEYS = keyTable(['resourceList'])
const KEYS = keyTable(Object.keys(RESOURCE_KEYS))

/** Selectors of the device plugin that are refused: if ignored, they would select wrong devices. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ['ddpprofiles', 'ddpProfiles'],
  ['vdpatype', 'vdpaType'],
  ['auxtypes', 'auxTypes'],
])

const isSet = (value: unknown): boolean =>
  value !== null && value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)

function readChoice(given: JsonObject, key: string, issues: ConfigIssue[]): Choice {
  const own: Record<string, unknown> = {}
  let needsVhostNet = false
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    const unsupported = UNSUPPORTED.get(lower)
    if (unsupported !== undefined) {
      if (isSet(value)) {
        issues.push({ key: `${key}.${unsupported}`, problem: 'is not supported' })
      }
    } else if (lower === 'needvhostnet') {
      if (typeof value !== 'boolean') {
        issues.push({ key: `${key}.needVhostNet`, problem: 'must be true or false' })
      }
      needsVhostNet = value === true
    } else {
      own[name] = value
    }
  }
  const found: ConfigIssue[] = []
  const selectors = readSelectors(own, found)
  for (const { pf } of selectors.pfNames ?? []) {
    try {
      new RegExp(pf)
    } catch (error) {
      found.push({ key: 'selectors.pfNames', problem: messageOf(error) })
    }
  }
  issues.push(...found.map((issue) => ({ ...issue, key: issue.key.replace(/^selectors/, key) })))
  return { selectors, isRdma: selectors.isRdma === true, needsVhostNet }
}

/** Vendors and classes of the Container Device Interface do (its SPEC.md, "Kind"). */
const STARTS_WITH_LETTER = /^[a-zA-Z]/

function readResource(
  known: ReadonlyMap<string, unknown>,
  at: string,
  prefix: string,
  issues: ConfigIssue[],
): ResourceConf | undefined {
  const read = ResourceEntry.safeParse(Object.fromEntries(known))
  if (!read.success) {
    issues.push(...issuesAt(at, read.error.issues))
    return undefined
  }
  const { resourceName, resourcePrefix = prefix, deviceType = 'netDevice', selectors, ...more } = read.data
  if (resourceName === undefined) {
    issues.push({ key: `${at}.resourceName`, problem: 'is missing' })
    return undefined
  }
  if (more.cdi && !(STARTS_WITH_LETTER.test(resourcePrefix) && STARTS_WITH_LETTER.test(resourceName))) {
    issues.push({
      key: `${at}.cdi`,
      problem: `the runtime takes no names that begin with a digit: ${resourcePrefix}/${resourceName}`,
    })
    return undefined
  }
  const isList = Array.isArray(selectors)
  const given = selectors === undefined ? [] : isList ? selectors : [selectors]
  return {
    resource: `${resourcePrefix}/${resourceName}`,
    deviceType,
    choices:
      given.length === 0
        ? [EVERYTHING]
        : given.map((one, i) => readChoice(one, `${at}.selectors${isList ? `[${i}]` : ''}`, issues)),
    excludesTopology: more.excludeTopology ?? false,
    additionalInfo: more.additionalInfo ?? {},
    healthFromCarrier: more.healthFromCarrier ?? false,
    cdi: more.cdi ?? false,
    ...(more.preferredAllocation !== undefined && { allocation: more.preferredAllocation }),
  }
}

/** `prefix` is the resourcePrefix of resources that name none. Throws nothing. */
export const readPoolConf = (text: string, what: string, prefix: string = DEFAULT_PREFIX): PoolConf =>
  readResourceList(text, what, {
    listKey: 'resourceList',
    fileKeys: FILE_KEYS,
    entryKeys: KEYS,
    readEntry: (known, at, issues) => readResource(known, at, prefix, issues),
  })
