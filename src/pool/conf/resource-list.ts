/** What the configurations of both device plugins have in common: a list of resources in a JSON file. */
import { foldKeys, isJsonObject, type JsonObject, type KeyTable, parseJsonObject } from '../../cni/json.js'
import { type ConfigIssue, messageOf } from '../../errors.js'
import type { ReadConf } from './conf-in-force.js'

const MAX_RESOURCES = 256
const MAX_KEY_SHOWN = 64

/** What is found wrong on the way. */
export interface Findings {
  readonly issues: ConfigIssue[]
  readonly ignored: string[]
}

/** Where a file has its list, which keys are known in the file and in an entry, and how to read an entry. */
export interface ListFormat<Resource> {
  readonly listKey: string
  readonly fileKeys: KeyTable
  readonly entryKeys: KeyTable
  /** `at` is the key of the entry, for issues. Undefined when it cannot be used at all. */
  readEntry(known: ReadonlyMap<string, unknown>, at: string, issues: ConfigIssue[]): Resource | undefined
}

const shown = (key: string): string => key.slice(0, MAX_KEY_SHOWN)

/** What is wrong with an entry, by its keys. `issues` are those of a schema. */
export const issuesAt = (
  at: string,
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): ConfigIssue[] => issues.map(({ path, message }) => ({ key: [at, ...path.map(String)].join('.'), problem: message }))

function readOne<Resource>(
  entry: unknown,
  at: string,
  format: ListFormat<Resource>,
  { issues, ignored }: Findings,
): Resource | undefined {
  if (!isJsonObject(entry)) {
    issues.push({ key: at, problem: 'must be an object' })
    return undefined
  }
  const { known, unknown } = foldKeys(entry, format.entryKeys)
  ignored.push(...unknown.map((name) => `${at}.${shown(name)}`))
  return format.readEntry(known, at, issues)
}

/** Reads the resources of a file. Only those count with which nothing is wrong. Throws nothing. */
export function readResourceList<Resource extends { readonly resource: string }>(
  text: string,
  what: string,
  format: ListFormat<Resource>,
): ReadConf<Resource> {
  const { listKey, fileKeys } = format
  let file: JsonObject
  try {
    file = parseJsonObject(text, what)
  } catch (error) {
    return { resources: [], issues: [{ key: what, problem: messageOf(error) }], ignored: [] }
  }
  const { known, unknown } = foldKeys(file, fileKeys)
  const list = known.get(listKey)
  const ignored = unknown.map(shown)
  if (!Array.isArray(list) || list.length > MAX_RESOURCES) {
    const problem = `must be a list of at most ${MAX_RESOURCES} resources`
    return { resources: [], issues: [{ key: listKey, problem }], ignored }
  }
  const issues: ConfigIssue[] = []
  const resources: Resource[] = []
  for (const [i, entry] of list.entries()) {
    const own: ConfigIssue[] = []
    const at = `${listKey}[${i}]`
    const conf = readOne(entry, at, format, { issues: own, ignored })
    if (conf && resources.some(({ resource }) => resource === conf.resource)) {
      own.push({ key: `${at}.resourceName`, problem: `is not the first ${conf.resource}` })
    }
    if (conf && own.length === 0) {
      resources.push(conf)
    }
    issues.push(...own)
  }
  return { resources, issues, ignored }
}
