import { errnoOf, PluginError } from '../errors.js'
import type { Environment, Verb } from './args.js'
import { type Call, readCall } from './call.js'
import { errorDocument, rewordForDel } from './error-codes.js'
import { CURRENT_VERSION, isSupported, SUPPORTED_VERSIONS } from './version.js'

/** Where a call comes from and where its answer goes. */
export interface Streams {
  /** Reads all of stdin. May throw a PluginError or an error of Node.js. */
  readStdin(): string
  /** Writes everything before it returns. */
  writeStdout(text: string): void
  writeStderr(text: string): void
}

/** Carries out a call. Returns the document to print, or undefined for a verb that prints none. */
export type Handler = (call: Call) => Promise<object | undefined>

const ABOUT = 'sriov: gives pods virtual functions (VFs) of SR-IOV network cards (CNI plugin)'

const versionDocument = { cniVersion: CURRENT_VERSION, supportedVersions: SUPPORTED_VERSIONS }

function stdinOf({ readStdin }: Streams): () => string {
  return () => {
    try {
      return readStdin()
    } catch (error) {
      if (error instanceof PluginError) {
        throw error
      }
      throw new PluginError({ kind: 'io', message: `error reading from stdin: ${errnoOf(error) ?? String(error)}` })
    }
  }
}

/** An error document carries the configuration's version, if this plugin supports it. */
function errorVersion(call: Call | undefined): { cniVersion?: string } {
  const version = call?.parsed.conf.cniVersion
  return version !== undefined && isSupported(version) ? { cniVersion: version } : {}
}

/**
 * Answers one call of the CNI process contract and returns the exit code. No other function prints. Stdout gets at most
 * one JSON document.
 */
export async function dispatch(
  environment: Environment,
  streams: Streams,
  handlers: Readonly<Record<Verb, Handler>>,
): Promise<number> {
  const print = (document: object) => streams.writeStdout(`${JSON.stringify(document)}\n`)
  const command = environment.CNI_COMMAND ?? ''
  if (command === '') {
    streams.writeStderr(`${ABOUT}\nCNI protocol versions supported: ${SUPPORTED_VERSIONS.join(', ')}\n`)
    return 0
  }
  if (command === 'VERSION') {
    print(versionDocument)
    return 0
  }
  let call: Call | undefined
  try {
    call = readCall(command, environment, stdinOf(streams))
    const document = await handlers[call.verb](call)
    if (document) {
      print(document)
    }
    return 0
  } catch (error) {
    const document = errorDocument(error)
    print({ ...errorVersion(call), ...(command === 'DEL' ? rewordForDel(document) : document) })
    return 1
  }
}
