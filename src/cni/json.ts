import { messageOf, PluginError } from '../errors.js'

export type JsonObject = { readonly [key: string]: unknown }

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Real configurations nest five deep. Code that walks an object recurses once per level. */
const MAX_DEPTH = 1000

/**
 * The offset behind the closing quote of a JSON string, or the length of the text when the string is not closed.
 * `start` is the offset behind the opening quote.
 */
function endOfString(text: string, start: number): number {
  let at = start
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote < 0) {
      return text.length
    }
    let backslashes = 0
    while (text[quote - 1 - backslashes] === '\\') {
      backslashes += 1
    }
    if (backslashes % 2 === 0) {
      return quote + 1
    }
    at = quote + 1
  }
}

function isTooDeep(text: string): boolean {
  if (text.length <= MAX_DEPTH) {
    return false
  }
  // Skip strings by hand: a pattern for them overflows the stack of the regular expression when a string is long.
  const quoteOrBracket = /["[\]{}]/g
  let depth = 0
  for (let found = quoteOrBracket.exec(text); found && depth <= MAX_DEPTH; found = quoteOrBracket.exec(text)) {
    if (found[0] === '"') {
      quoteOrBracket.lastIndex = endOfString(text, found.index + 1)
    } else {
      depth += found[0] === '[' || found[0] === '{' ? 1 : -1
    }
  }
  return depth > MAX_DEPTH
}

/**
 * Parses one JSON object. `null` counts as an empty object, as in every Go caller.
 * @throws PluginError kind `decode` when the text is anything else
 */
export function parseJsonObject(text: string, what: string): JsonObject {
  const refuse = (problem: string): never => {
    throw new PluginError({ kind: 'decode', message: `${what}: ${problem}` })
  }
  if (isTooDeep(text)) {
    return refuse(`it is nested deeper than ${MAX_DEPTH} levels`)
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

const MAX_SHOWN = 120

/** A value as an error message shows it: JSON, cut after 120 characters. */
export function shownJson(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}

/** Canonical spellings of keys, by their lower case. */
export type KeyTable = ReadonlyMap<string, string>

export const keyTable = (canonicalKeys: readonly string[]): KeyTable =>
  new Map(canonicalKeys.map((key) => [key.toLowerCase(), key]))

/** Values by the canonical spelling of their key, and the keys that the table does not have. */
export interface FoldedKeys {
  readonly known: ReadonlyMap<string, unknown>
  readonly unknown: readonly string[]
}

/** Matches keys without regard to case, as Go's encoding/json does. The last duplicate wins; null means unset. */
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

/** The value of one key, without regard to case; undefined when absent or null. The last duplicate wins. */
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

/** The known key that an unknown key probably stands for: `max-tx-rate` → `max_tx_rate`, `vlanQos1` → `vlanQoS`. */
export function suggestKey(unknownKey: string, canonicalKeys: readonly string[]): string | undefined {
  const wanted = bare(unknownKey)
  return canonicalKeys.find(
    (key) => bare(key) === wanted || (key.length >= MIN_LENGTH_FOR_SLIPS && isOneSlipAway(bare(key), wanted)),
  )
}
