import { messageOf } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import { distrustOf } from '../node/trust.js'
import { DEFAULT_RULES, POLICY_FOLDER, POLICY_FOLDERS, type Policy, type PolicyRules } from './policy.js'
import { PolicyFile } from './policy-schema.js'

const DEFAULT_POLICY: Policy = { ...DEFAULT_RULES, origins: {} }
const MAX_TEXT = 256 * 1024
const TOO_LARGE = `is larger than ${MAX_TEXT} bytes`

interface PolicyText {
  readonly file: string
  readonly text: string
}

/** The line of a key, from 1. In a file with one key twice, JSON takes the last. */
function lineOf(text: string, key: string): number {
  const lines = text.split('\n')
  const found = lines.findLastIndex((line) => line.includes(`"${key}"`))
  return Math.max(found, 0) + 1
}

/** @throws PluginError, Error of JSON.parse, or an Error that says which key is wrong */
function merge(policy: Policy, { file, text }: PolicyText): Policy {
  const read = PolicyFile.safeParse(JSON.parse(text))
  if (!read.success) {
    const [issue] = read.error.issues
    const names = issue?.code === 'unrecognized_keys' ? issue.keys : []
    const at = [...(issue?.path ?? []), ...names.slice(0, 1)].join('.')
    throw new Error(`${at === '' ? '' : `${at}: `}${names.length > 0 ? 'is not known' : issue?.message}`)
  }
  const rules = read.data as Partial<PolicyRules>
  const origin = (key: string) => ({ file, line: lineOf(text, key) })
  const named = Object.keys(rules.namespaces ?? {})
  return {
    ...policy,
    ...rules,
    namespaces: { ...policy.namespaces, ...rules.namespaces },
    origins: {
      ...policy.origins,
      ...Object.fromEntries(Object.keys(rules).map((key) => [key, origin(key)])),
      ...Object.fromEntries(named.map((name) => [`namespaces.${name}`, origin(name)])),
    },
  }
}

/** The files of a folder in the order in which they are merged. @throws PluginError kind `state` */
function filesOf(files: FilePort, folder: string): string[] {
  const names = files.list(folder)
  const more = `${folder}/policy.d`
  return [
    ...(names.includes('policy.json') ? [`${folder}/policy.json`] : []),
    ...(names.includes('policy.d')
      ? files
          .list(more)
          .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
          .map((name) => `${more}/${name}`)
      : []),
  ]
}

/** The last policy read, by the texts it was made of: the resident process reads the same again and again. */
let last: { readonly texts: string; readonly policy: Policy } | undefined

function policyOf(texts: readonly PolicyText[]): Policy {
  const key = JSON.stringify(texts)
  if (last?.texts !== key) {
    let policy = DEFAULT_POLICY
    for (const one of texts) {
      try {
        policy = merge(policy, one)
      } catch (error) {
        policy = { ...DEFAULT_POLICY, problem: `${one.file}: ${messageOf(error)}` }
        break
      }
    }
    last = { texts: key, policy }
  }
  return last.policy
}

/** What is wrong with the text of a policy file; undefined when it is right. */
export function policyProblem(text: string): string | undefined {
  if (text.length > MAX_TEXT) {
    return TOO_LARGE
  }
  try {
    merge(DEFAULT_POLICY, { file: '', text })
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/**
 * Reads the policy of this node: of each folder policy.json, then policy.d/*.json by name. A later file replaces the
 * rules that it names, and the namespaces that it names. Without files the defaults hold; with one that cannot be
 * trusted or understood, too, and `problem` says why. Throws nothing.
 */
export function loadPolicy(files: FilePort): Policy {
  const texts: PolicyText[] = []
  let file: string = POLICY_FOLDER
  try {
    for (file of POLICY_FOLDERS.flatMap((folder) => filesOf(files, folder))) {
      const why = distrustOf(files, file)
      if (why !== undefined) {
        return { ...DEFAULT_POLICY, problem: why }
      }
      const text = files.readText(file) ?? ''
      if (text.length > MAX_TEXT) {
        return { ...DEFAULT_POLICY, problem: `${file}: ${TOO_LARGE}` }
      }
      texts.push({ file, text })
    }
  } catch (error) {
    return { ...DEFAULT_POLICY, problem: `${file}: ${messageOf(error)}` }
  }
  return policyOf(texts)
}
