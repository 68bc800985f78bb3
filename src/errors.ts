/** One mistake in the configuration: the key as the user wrote it, and what to do about it. */
export interface ConfigIssue {
  readonly key: string
  readonly problem: string
}

/** Everything that can go wrong, by `kind`. cni/error-codes.ts maps each kind to its CNI code. */
export type Fault =
  /** A fault in the caller's environment (CNI specification, "Parameters"). */
  | { readonly kind: 'environment'; readonly message: string; readonly details?: string }
  /** Stdin or another stream could not be read or written. */
  | { readonly kind: 'io'; readonly message: string; readonly details?: string }
  | { readonly kind: 'decode'; readonly message: string }
  | { readonly kind: 'version'; readonly message: string; readonly details?: string }
  | { readonly kind: 'networkName'; readonly message: string; readonly details?: string }
  | { readonly kind: 'config'; readonly issues: readonly ConfigIssue[] }
  /** The policy of the node forbids what the configuration asks for (docs/policy.md). */
  | { readonly kind: 'policy'; readonly refusals: readonly ConfigIssue[] }
  /** The policy of the node cannot be trusted or understood. */
  | { readonly kind: 'policyFile'; readonly problem: string }
  /** `code`: the errno that hides what is there; absent when there certainly is no such namespace. */
  | { readonly kind: 'netns'; readonly path: string; readonly problem: string; readonly code?: string }
  /** Worth another try: another call works on the same thing. */
  | { readonly kind: 'tryAgain'; readonly message: string }
  | { readonly kind: 'notReady'; readonly message: string }
  /** The kernel refused an operation. `code` is the errno's name, `text` the driver's own words. */
  | {
      readonly kind: 'kernel'
      readonly operation: string
      readonly target: string
      readonly code: string
      readonly driver?: string
      readonly text?: string
    }
  /** The PCI device does not exist, or is not a usable VF. */
  | { readonly kind: 'device'; readonly message: string }
  | { readonly kind: 'kernelTooOld'; readonly release: string; readonly oldest: string }
  | { readonly kind: 'vfInUse'; readonly target: string; readonly holder: string }
  | { readonly kind: 'interfaceExists'; readonly name: string; readonly netns: string }
  | { readonly kind: 'alreadyAttached'; readonly key: string; readonly target: string }
  | {
      readonly kind: 'ipam'
      readonly plugin: string
      readonly message: string
      readonly code?: number
      readonly details?: string
      /** The plugin itself reported the failure. Otherwise it was killed, or printed no result. */
      readonly isRefusal?: boolean
    }
  | { readonly kind: 'state'; readonly path: string; readonly problem: string }
  | { readonly kind: 'duplicateAddress'; readonly address: string; readonly interfaceName: string }
  /** CHECK found differences between what was set and what the kernel shows. */
  | { readonly kind: 'mismatch'; readonly differences: readonly string[] }
  /** Something could not be given back; the record stays for the next DEL or GC. */
  | { readonly kind: 'release'; readonly target: string; readonly problems: readonly string[] }
  /** A malformed netlink answer. */
  | { readonly kind: 'wire'; readonly problem: string }
  | { readonly kind: 'address'; readonly text: string }

const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** The sentence that an operator reads. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'environment':
    case 'io':
    case 'decode':
    case 'version':
    case 'networkName':
    case 'tryAgain':
    case 'notReady':
    case 'device':
      return fault.message
    case 'config':
      return `invalid network configuration: ${fault.issues.map(({ key, problem }) => `${key}: ${problem}`).join('; ')}`
    case 'policy':
      return `the policy of this node does not allow it: ${fault.refusals.map(({ key, problem }) => `${key}: ${problem}`).join('; ')}`
    case 'policyFile':
      return `the policy of this node cannot be used, and every ADD is refused until it is mended: ${fault.problem}`
    case 'netns':
      return `network namespace ${fault.path}: ${fault.problem}`
    case 'kernel': {
      const driver = !fault.driver ? '' : ` (driver ${fault.driver})`
      const text = fault.text === undefined ? '' : `: ${fault.text}`
      return `Cannot ${fault.operation} on ${fault.target}${driver}: ${fault.code}${text}`
    }
    case 'kernelTooOld':
      return `Linux ${fault.release} on this node is too old: VFs are given to pods on Linux ${fault.oldest} and newer`
    case 'vfInUse':
      return `${fault.target} is in use by ${fault.holder}`
    case 'interfaceExists':
      return `an interface ${fault.name} already exists in ${fault.netns}; it was not touched`
    case 'alreadyAttached':
      return `${fault.key} already has ${fault.target}; DEL it first`
    case 'ipam':
      return `IPAM plugin ${fault.plugin}: ${fault.message}`
    case 'state':
      return `state file ${fault.path}: ${fault.problem}`
    case 'duplicateAddress':
      return `address ${fault.address} on ${fault.interfaceName} is used by another host (duplicate address detection failed)`
    case 'mismatch':
      return `the attachment is not as it was set up: ${fault.differences.join('; ')}`
    case 'release':
      return `${capitalised(fault.target)} could not be given back entirely (the next DEL or GC goes on): ${fault.problems.join('; ')}`
    case 'wire':
      return `malformed netlink answer: ${fault.problem}`
    case 'address':
      return `"${fault.text}" is not an IP address, or has not the prefix length it needs`
  }
}

/** The only exception class of this plugin. */
export class PluginError extends Error {
  readonly fault: Fault

  constructor(fault: Fault) {
    super(describeFault(fault))
    this.name = 'PluginError'
    this.fault = fault
  }
}

/** The message of any thrown value. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** The errno name of a kernel or file error, such as `ENOENT`; undefined for other errors. */
export function errnoOf(thrown: unknown): string | undefined {
  if (thrown instanceof PluginError) {
    return thrown.fault.kind === 'kernel' ? thrown.fault.code : undefined
  }
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  return typeof code === 'string' ? code : undefined
}
