import { messageOf, PluginError } from '../errors.js'

export type JsonObject = { readonly [key: string]: unknown }

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Parses one JSON object; `null` counts as the empty one, as in every Go caller.
 * @throws PluginError kind `decode` when the text is anything else
 */
export function parseJsonObject(text: string, what: string): JsonObject {
  const refuse = (problem: string): never => {
    throw new PluginError({ kind: 'decode', message: `${what}: ${problem}` })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return refuse(text.trim() === '' ? 'unexpected end of JSON input' : messageOf(error))
  }
  if (value === null) {
    return {}
  }
  return isJsonObject(value)
    ? value
    : refuse(`it is ${Array.isArray(value) ? 'an array' : `a ${typeof value}`}, not an object`)
}

/** Canonical spellings by their lower case. */
export type KeyTable = ReadonlyMap<string, string>

export const keyTable = (canonicalKeys: readonly string[]): KeyTable =>
  new Map(canonicalKeys.map((key) => [key.toLowerCase(), key]))

/** Keys in their canonical spelling, and those nobody knows. */
export interface FoldedKeys {
  readonly known: ReadonlyMap<string, unknown>
  readonly unknown: readonly string[]
}

/** Matches keys without regard to case, as Go's encoding/json does: the last duplicate wins, null means unset. */
export function foldKeys(object: JsonObject, table: KeyTable): FoldedKeys {
  const known = new Map<string, unknown>()
  const unknown: string[] = []
  for (const key of Object.keys(object)) {
    const canonical = table.get(key.toLowerCase())
    if (canonical === undefined) {
      unknown.push(key)
    } else if (object[key] === null) {
      known.delete(canonical)
    } else {
      known.set(canonical, object[key])
    }
  }
  return { known, unknown }
}

/** The value of one key without regard to case; undefined when absent or null. */
export function valueAt(object: unknown, key: string): unknown {
  if (!isJsonObject(object)) {
    return undefined
  }
  const wanted = key.toLowerCase()
  const spelling = Object.keys(object).findLast((candidate) => candidate.toLowerCase() === wanted)
  return spelling === undefined ? undefined : (object[spelling] ?? undefined)
}

const bare = (key: string): string => key.toLowerCase().replace(/[^a-z0-9]/g, '')

/** Whether one insertion, deletion, replacement or swap of neighbours turns one word into the other. */
function isOneSlipAway(left: string, right: string): boolean {
  const [short, long] = left.length <= right.length ? [left, right] : [right, left]
  if (long.length - short.length > 1) {
    return false
  }
  let start = 0
  while (start < short.length && short[start] === long[start]) {
    start += 1
  }
  const rest = (text: string, skip: number) => text.slice(start + skip)
  return (
    rest(short, short.length === long.length ? 1 : 0) === rest(long, 1) ||
    (short.length === long.length &&
      short[start] === long[start + 1] &&
      short[start + 1] === long[start] &&
      rest(short, 2) === rest(long, 2))
  )
}

const MIN_LENGTH_FOR_SLIPS = 4

/** The known key that an unknown one was probably meant to be: `max-tx-rate` → `max_tx_rate`, `vlanQos1` → `vlanQoS`. */
export function suggestKey(unknownKey: string, canonicalKeys: readonly string[]): string | undefined {
  const wanted = bare(unknownKey)
  return canonicalKeys.find(
    (key) => bare(key) === wanted || (key.length >= MIN_LENGTH_FOR_SLIPS && isOneSlipAway(bare(key), wanted)),
  )
}
