/**
 * The configurations of this plugin in a file: a plugin configuration, a list of them, or network definitions of
 * Kubernetes (k8s.cni.cncf.io/v1, NetworkAttachmentDefinition) in YAML or JSON, one by one or as kubectl lists them.
 */
import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type Scalar, type YAMLMap } from 'yaml'
import { isJsonObject, type JsonObject, valueAt } from '../../cni/json.js'
import { messageOf } from '../../errors.js'

/** One configuration of this plugin, as a runtime passes it to us. */
export interface Network {
  readonly file: string
  /** "" when there is none. */
  readonly name: string
  /** The Kubernetes namespace of a network definition, if it says one. */
  readonly namespace?: string
  /** Whether the device comes from kubelet's device plugin: Multus then adds `deviceID`. */
  readonly isFromDevicePlugin: boolean
  readonly object: JsonObject
  /** The line of a key of it, from 1. */
  lineOf(key: string): number
}

export interface FileProblem {
  readonly file: string
  readonly line: number
  readonly key?: string
  readonly problem: string
}

export interface Read {
  readonly networks: readonly Network[]
  readonly problems: readonly FileProblem[]
}

const PLUGIN_TYPE = 'sriov'
const RESOURCE = 'k8s.v1.cni.cncf.io/resourceName'
const DEFINITION = 'NetworkAttachmentDefinition'

/** What `kubectl get` and the API server call several definitions at once. */
const LISTS: ReadonlySet<unknown> = new Set(['List', `${DEFINITION}List`])

/** A piece of JSON in a file, and the number of the line before it. */
interface Piece {
  readonly file: string
  readonly text: string
  readonly linesBefore: number
  /** A quoted string: its line breaks are written as `\n`, so they are no line breaks of the file. */
  readonly isOneLine?: boolean
}

/** V8 says `... in JSON at position 12 (line 2 column 3)`. */
const JSON_LINE = /\(line (\d+) column \d+\)/

/** V8 quotes what it could not read, and a configuration can have secrets. */
const EXCERPT = /, (?:\.\.\.)?"[\s\S]*"(?:\.\.\.)?(?= is not valid JSON$)/

const isOurs = (object: unknown): object is JsonObject =>
  isJsonObject(object) && valueAt(object, 'type') === PLUGIN_TYPE

/** The last part of a key that names where it stands: `runtimeConfig.mac`. */
const lastOf = (key: string): string => key.slice(key.lastIndexOf('.') + 1)

/** The line of a key; the first line of the piece when it is not written there. */
function lineIn({ text, linesBefore, isOneLine }: Piece, key: string): number {
  const spelt = `"${lastOf(key).toLowerCase()}"`
  const found = text
    .toLowerCase()
    .split('\n')
    .findIndex((line) => line.includes(spelt))
  return linesBefore + 1 + (isOneLine ? 0 : Math.max(found, 0))
}

type Where = Pick<Network, 'namespace' | 'isFromDevicePlugin'> & { readonly name?: string }

/** The configurations in a piece: it is one of this plugin, or a list with some. */
function networksOf(piece: Piece, where: Where): Read {
  const { file, text, linesBefore, isOneLine } = piece
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const message = messageOf(error)
    const line = (isOneLine ? 1 : Number(JSON_LINE.exec(message)?.[1] ?? 1)) + linesBefore
    return { networks: [], problems: [{ file, line, problem: `is no JSON: ${message.replace(EXCERPT, '')}` }] }
  }
  const { name: given, ...place } = where
  const listed = valueAt(value, 'plugins')
  const name = String(valueAt(value, 'name') ?? given ?? '')
  const version = valueAt(value, 'cniVersion')
  const header = { ...(name !== '' && { name }), ...(version !== undefined && { cniVersion: version }) }
  const found = (Array.isArray(listed) ? listed : [value]).filter(isOurs)
  return {
    networks: found.map((object) => ({
      file,
      ...place,
      name,
      object: { ...object, ...header },
      lineOf: (key) => lineIn(piece, key),
    })),
    problems: [],
  }
}

/** The text of a YAML scalar. The lines of a block (`|`) are lines of the file; a quoted text counts as one line. */
function pieceOf(file: string, config: Scalar, lines: LineCounter): Piece {
  const { line } = lines.linePos(config.range?.[0] ?? 0)
  const isBlock = config.type === 'BLOCK_LITERAL' || config.type === 'BLOCK_FOLDED'
  return { file, text: String(config.value), linesBefore: isBlock ? line : line - 1, isOneLine: !isBlock }
}

const NONE: Read = { networks: [], problems: [] }

const merged = (reads: readonly Read[]): Read => ({
  networks: reads.flatMap((read) => read.networks),
  problems: reads.flatMap((read) => read.problems),
})

/** The network definitions that an object of Kubernetes is or lists. Lists in a list are not looked at. */
function definitionsOf(object: unknown): readonly YAMLMap[] {
  if (!isMap(object)) {
    return []
  }
  const items = LISTS.has(object.get('kind')) ? object.get('items') : undefined
  return (isSeq(items) ? items.items : [object])
    .filter((one): one is YAMLMap => isMap(one))
    .filter((one) => one.get('kind') === DEFINITION)
}

function networksOfDefinition(file: string, definition: YAMLMap, lines: LineCounter): Read {
  const textAt = (...path: string[]) => {
    const value = definition.getIn(path)
    return typeof value === 'string' ? value : undefined
  }
  const name = textAt('metadata', 'name')
  const namespace = textAt('metadata', 'namespace')
  const config = definition.getIn(['spec', 'config'], true)
  if (!isScalar(config) || typeof config.value !== 'string') {
    // Multus then looks for a file of that name on the node.
    return NONE
  }
  return networksOf(pieceOf(file, config, lines), {
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
    isFromDevicePlugin: textAt('metadata', 'annotations', RESOURCE) !== undefined,
  })
}

function definitionsIn(file: string, text: string): Read {
  const lines = new LineCounter()
  const read = parseAllDocuments(text, { lineCounter: lines })
  const documents = 'empty' in read ? [] : read
  const parts = documents.map((document): Read => {
    const [error] = document.errors
    if (error) {
      const line = error.linePos?.[0].line ?? 1
      return { networks: [], problems: [{ file, line, problem: `is no YAML: ${error.message.split('\n')[0]}` }] }
    }
    return merged(definitionsOf(document.contents).map((definition) => networksOfDefinition(file, definition, lines)))
  })
  return merged(parts)
}

/** A network definition as the API server has it. */
function definitionIn(item: unknown): Read {
  const metadata = valueAt(item, 'metadata')
  const config = valueAt(valueAt(item, 'spec'), 'config')
  const [name, namespace] = [String(valueAt(metadata, 'name') ?? ''), String(valueAt(metadata, 'namespace') ?? '')]
  const piece = { file: `${namespace}/${name}`, text: typeof config === 'string' ? config : '{}', linesBefore: 0 }
  const isFromDevicePlugin = valueAt(valueAt(metadata, 'annotations'), RESOURCE) !== undefined
  return networksOf(piece, { name, namespace, isFromDevicePlugin })
}

/** Reads the network definitions in an answer of the API server; their file is `NAMESPACE/NAME`. @throws Error of JSON.parse */
export function networksInCluster(answer: string): Read {
  const items = valueAt(JSON.parse(answer), 'items')
  return merged((Array.isArray(items) ? items : []).map(definitionIn))
}

/** Reads the configurations of this plugin in a file. Those of other plugins are left out. */
export function networksIn(file: string, text: string): Read {
  const isDefinition = text.includes(DEFINITION)
  return isDefinition || /\.ya?ml$/.test(file)
    ? definitionsIn(file, text)
    : networksOf({ file, text, linesBefore: 0 }, { isFromDevicePlugin: false })
}
