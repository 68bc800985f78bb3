import { describeFault, type Fault, messageOf, PluginError } from '../errors.js'

/** The CNI error document (CNI specification 1.1.0, "Error"). */
export interface ErrorDocument {
  readonly code: number
  readonly msg: string
  readonly details?: string
}

const INTERNAL = 999

/** The CNI code of a fault. The specification defines 1–99; 100–199 are ours (the table is in docs/errors.md). */
export function codeOf(fault: Fault): number {
  switch (fault.kind) {
    case 'version':
      return 1
    case 'environment':
      return 4
    case 'io':
      return 5
    case 'decode':
      return 6
    case 'networkName':
    case 'config':
    case 'policy':
    case 'policyFile':
      return 7
    case 'netns':
      return 8
    case 'tryAgain':
      return 11
    case 'notReady':
      return 50
    case 'kernel':
    case 'wire':
      return 100
    case 'device':
      return 101
    case 'vfInUse':
      return 102
    case 'interfaceExists':
      return 103
    case 'alreadyAttached':
      return 104
    case 'ipam':
    case 'address':
      return 105
    case 'state':
      return 106
    case 'duplicateAddress':
      return 107
    case 'mismatch':
      return 108
    case 'release':
      return 109
    case 'kernelTooOld':
      return 110
  }
}

/** Limit in characters. A message may quote the caller's input, which can have any length. */
const MAX_TEXT = 4_000

const clip = (text: string): string =>
  text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} characters more)`

/** The document that the caller reads on stdout after an error. Anything but a PluginError gets code 999. */
export function errorDocument(thrown: unknown): ErrorDocument {
  if (!(thrown instanceof PluginError)) {
    return { code: INTERNAL, msg: clip(messageOf(thrown)) }
  }
  const { fault } = thrown
  const details = 'details' in fault ? fault.details : undefined
  return {
    code: fault.kind === 'ipam' ? (fault.code ?? codeOf(fault)) : codeOf(fault),
    msg: clip(describeFault(fault)),
    ...(details !== undefined && details !== '' && { details: clip(details) }),
  }
}

/** containerd's go-cni treats a DEL error that contains these words as success (its Remove()). */
const SWALLOWED: readonly (readonly [RegExp, string])[] = [
  [/no such file or directory/gi, 'ENOENT'],
  [/not found/gi, 'missing'],
]

/** Rewords the document of a DEL error so that no runtime takes it for success. */
export function rewordForDel({ code, msg, details }: ErrorDocument): ErrorDocument {
  const reword = (text: string) => SWALLOWED.reduce((reworded, [words, by]) => reworded.replace(words, by), text)
  return { code, msg: reword(msg), ...(details !== undefined && { details: reword(details) }) }
}
