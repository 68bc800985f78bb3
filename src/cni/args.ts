import { PluginError } from '../errors.js'

/** The environment variables of a call, unchecked, by name. */
export type Environment = Readonly<Record<string, string | undefined>>

export type Verb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS'

/** The validated parameters of a call (CNI specification 1.1.0, "Parameters"). An absent text parameter is "". */
export interface CallArgs {
  readonly containerId: string
  readonly netnsPath: string
  readonly ifName: string
  /** The key-value pairs of CNI_ARGS. */
  readonly extra: Readonly<Record<string, string>>
  readonly environment: Environment
}

type Required = 'CNI_CONTAINERID' | 'CNI_NETNS' | 'CNI_IFNAME' | 'CNI_PATH'

/** The environment variables that a verb requires, and the specification version that introduced the verb. */
export interface VerbRule {
  readonly required: readonly Required[]
  readonly since?: string
}

/**
 * The launcher (native/shim/protocol.h) sets this when the resident process died while it handled this very call: to when
 * the call began, in milliseconds since 1970. The first try may have succeeded, but the caller has no answer.
 */
export const REPEATED_VARIABLE = 'SRIOV_CNI_AGAIN'

export const VERBS: Readonly<Record<Verb, VerbRule>> = {
  ADD: { required: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'] },
  CHECK: { required: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'], since: '0.4.0' },
  DEL: { required: ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'] },
  GC: { required: ['CNI_PATH'], since: '1.1.0' },
  STATUS: { required: ['CNI_PATH'], since: '1.1.0' },
}

/** An unknown verb requires nothing. Like the reference implementation, report it only after stdin has been read. */
export const UNKNOWN_VERB: VerbRule = { required: [] }

const IDENTIFIER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
const MAX_IFNAME_BYTES = 15
const MAX_FILE_NAME_BYTES = 255
// Unicode White_Space, like Go's unicode.IsSpace: it includes U+0085 and excludes U+FEFF, the opposite of \s.
const FORBIDDEN_IN_IFNAME = /[/:\u0085]|(?!\ufeff)\s/u

/** Whether a network name or container ID has only the characters that the specification allows. */
export const isIdentifier = (text: string): boolean => IDENTIFIER.test(text)

/** Why an interface name is invalid (dev_valid_name in the kernel, and Unicode spaces); undefined when it is valid. */
export function ifNameProblem(name: string): { readonly message: string; readonly details?: string } | undefined {
  if (name === '') {
    return { message: 'interface name is empty' }
  }
  if (Buffer.byteLength(name) > MAX_IFNAME_BYTES) {
    return { message: 'interface name is too long', details: 'interface name should be less than 16 characters' }
  }
  if (name === '.' || name === '..') {
    return { message: 'interface name is . or ..' }
  }
  return FORBIDDEN_IN_IFNAME.test(name)
    ? { message: 'interface name contains / or : or whitespace characters' }
    : undefined
}

/** Parses key-value pairs `A=1;B=2`. Empty parts and duplicates are allowed; the last non-empty value wins. */
export function parseExtraArgs(text: string): Record<string, string> {
  const extra: Record<string, string> = Object.create(null)
  for (const part of text.split(';')) {
    const equals = part.indexOf('=')
    const value = part.slice(equals + 1)
    if (equals > 0 && value !== '') {
      extra[part.slice(0, equals)] = value
    }
  }
  return extra
}

function requireIdentifier(containerId: string): void {
  if (!isIdentifier(containerId)) {
    throw new PluginError({ kind: 'environment', message: 'invalid characters in containerID', details: containerId })
  }
}

/**
 * Checks the environment of a call. Reports the first invalid value at once, and all missing variables together.
 * @throws PluginError kind `environment`
 */
export function parseArgs({ required }: VerbRule, environment: Environment): CallArgs {
  const value = (name: string): string => environment[name] ?? ''
  const missing: string[] = []
  for (const name of required) {
    if (value(name) === '') {
      missing.push(name)
    } else if (name === 'CNI_CONTAINERID') {
      requireIdentifier(value(name))
    } else if (name === 'CNI_IFNAME') {
      const problem = ifNameProblem(value(name))
      if (problem) {
        throw new PluginError({ kind: 'environment', ...problem })
      }
    }
  }
  if (missing.length > 0) {
    throw new PluginError({ kind: 'environment', message: `required env variables [${missing.join(',')}] missing` })
  }
  const containerId = value('CNI_CONTAINERID')
  const ifName = value('CNI_IFNAME')
  const stateName = `${containerId}-${ifName}`
  if (Buffer.byteLength(stateName) > MAX_FILE_NAME_BYTES) {
    throw new PluginError({
      kind: 'environment',
      message: `CNI_CONTAINERID is too long: the state file name would have ${Buffer.byteLength(stateName)} bytes, the limit is ${MAX_FILE_NAME_BYTES}`,
    })
  }
  return {
    containerId,
    ifName,
    netnsPath: value('CNI_NETNS'),
    extra: parseExtraArgs(value('CNI_ARGS')),
    environment,
  }
}
