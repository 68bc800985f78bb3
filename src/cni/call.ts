import { PluginError } from '../errors.js'
import { type CallArgs, type Environment, isIdentifier, parseArgs, UNKNOWN_VERB, VERBS, type Verb } from './args.js'
import { type ParsedNetConf, parseNetConf } from './conf/netconf.js'
import { foldKeys, keyTable, parseJsonObject, shownJson } from './json.js'
import { CURRENT_VERSION, IMPLIED_VERSION, isAtLeast, requireSupported } from './version.js'

/** A call whose environment, JSON, name, verb and version are valid. Issues of the configuration are in `parsed`. */
export interface Call {
  readonly verb: Verb
  readonly args: CallArgs
  readonly parsed: ParsedNetConf
}

const HEADER_KEYS = keyTable(['name', 'cniVersion', 'type'])

const isVerb = (text: string): text is Verb => Object.hasOwn(VERBS, text)

function textKey(key: string, value: unknown): string {
  if (value !== undefined && typeof value !== 'string') {
    throw new PluginError({
      kind: 'decode',
      message: `error unmarshall network config: ${key} must be a string, it is ${shownJson(value)}`,
    })
  }
  return value ?? ''
}

/** Multus 1 and 2 send neither name nor cniVersion, only the type and the arguments. */
function requireName(name: string, isAnonymousCaller: boolean): void {
  if (name === '' && !isAnonymousCaller) {
    throw new PluginError({ kind: 'networkName', message: 'missing network name' })
  }
  if (name !== '' && !isIdentifier(name)) {
    throw new PluginError({ kind: 'networkName', message: 'invalid characters found in network name', details: name })
  }
}

/** Requires that the configuration's version has the verb. @throws PluginError kinds `decode`, `version` */
function requireVerb(verb: Verb, version: string): void {
  const { since } = VERBS[verb]
  if (since === undefined) {
    return
  }
  if (!isAtLeast(version, since)) {
    throw new PluginError({ kind: 'version', message: `config version does not allow ${verb}` })
  }
  if (!isAtLeast(CURRENT_VERSION, version)) {
    throw new PluginError({ kind: 'version', message: `plugin version does not allow ${verb}` })
  }
}

/**
 * Reads a call in the order of the reference implementation: environment, stdin, JSON, name, version.
 * @throws PluginError for the first problem
 */
export function readCall(command: string, environment: Environment, readStdin: () => string): Call {
  const args = parseArgs(isVerb(command) ? VERBS[command] : UNKNOWN_VERB, environment)
  const text = readStdin()
  const object = parseJsonObject(text, 'error unmarshall network config')
  const { known } = foldKeys(object, HEADER_KEYS)
  const name = textKey('name', known.get('name'))
  const version = textKey('cniVersion', known.get('cniVersion'))
  requireName(name, version === '' && known.get('type') !== undefined)
  if (!isVerb(command)) {
    throw new PluginError({ kind: 'environment', message: `unknown CNI_COMMAND: ${command}` })
  }
  const given = version === '' ? IMPLIED_VERSION : version
  requireVerb(command, given)
  const cniVersion = requireSupported(given)
  return { verb: command, args, parsed: parseNetConf({ cniVersion, name, text, object }, args) }
}
