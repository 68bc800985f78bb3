import type { Environment } from './cni/args.js'
import { parseJsonObject, valueAt } from './cni/json.js'
import { type CniResult, parseResult } from './cni/result.js'
import { messageOf, PluginError } from './errors.js'
import type { Command, Lock } from './host/ports.js'
import type { CallHost } from './state/folder.js'
import type { IpamCall } from './state/record.js'

/** A DHCP server may be slow, but a plugin that never ends must not hold the VF for ever. */
const IPAM_TIMEOUT_MS = 120_000

/** An IPAM ADD that runs. */
export interface PendingIpam {
  /** Its result, the same on every call. @throws PluginError kind `ipam` with the plugin's own code and words */
  result(): Promise<CniResult>
}

/** What the plugin is looked up with. */
type Lookup = Pick<CallHost, 'files' | 'cniPath' | 'policy'>

const pluginFolders = ({ cniPath, policy }: Lookup): readonly string[] =>
  [...new Set([...cniPath.split(':'), ...policy.pluginFolders])].filter((folder) => folder !== '')

const isPluginName = (type: string): boolean => !type.includes('/') && type !== '.' && type !== '..'

/** The file of an IPAM plugin that is there and cannot be run; undefined when none is there, or one can be. */
export function unexecutablePlugin(lookup: Lookup, type: string): string | undefined {
  const { files } = lookup
  const paths = isPluginName(type) ? pluginFolders(lookup).map((folder) => `${folder}/${type}`) : []
  return paths.some((path) => files.isExecutable(path)) ? undefined : paths.find((path) => files.exists(path))
}

/**
 * The path of the IPAM plugin: the first one in CNI_PATH of this call, then in the folders of the policy. The CNI_PATH of
 * a recorded call does not count.
 * @throws PluginError kind `ipam` when it is nowhere
 */
export function findIpamPlugin(lookup: Lookup, { type }: IpamCall): string {
  const { files } = lookup
  const folders = pluginFolders(lookup)
  const isFileName = isPluginName(type)
  const paths = isFileName ? folders.map((folder) => `${folder}/${type}`) : []
  const path = paths.find((candidate) => files.isExecutable(candidate))
  if (path === undefined) {
    const found = unexecutablePlugin(lookup, type)
    throw new PluginError({
      kind: 'ipam',
      plugin: type,
      message: found
        ? `cannot be run: ${found} is not executable`
        : isFileName
          ? `is in none of the folders of CNI_PATH and the policy (${folders.join(', ')})`
          : 'is no name of a program',
    })
  }
  return path
}

/** The error that a plugin printed, or its exit status when it printed none. */
function failureOf(plugin: string, status: number, stdout: string): PluginError {
  let document: unknown
  try {
    document = JSON.parse(stdout)
  } catch {
    document = undefined
  }
  const [message, code, details] = [valueAt(document, 'msg'), valueAt(document, 'code'), valueAt(document, 'details')]
  const isRefusal = typeof message === 'string' && message !== ''
  return new PluginError({
    kind: 'ipam',
    plugin,
    isRefusal,
    message: isRefusal ? message : `exit status ${status}`,
    ...(typeof code === 'number' && Number.isInteger(code) && code > 0 && { code }),
    ...(typeof details === 'string' && details !== '' && { details }),
  })
}

/** A started IPAM plugin. */
export interface StartedIpam<Result> {
  /** Sends the configuration if it was withheld. The plugin does nothing before. @throws PluginError kind `kernel` */
  begin(): void
  /** Waits for the end of the plugin. @throws PluginError kind `ipam` */
  finish(): Promise<Result>
}

function start(
  host: CallHost,
  call: IpamCall,
  command: 'ADD' | 'DEL' | 'CHECK' | 'GC',
  how: Pick<Command, 'held' | 'isHeldBack'> = {},
): StartedIpam<string> {
  const path = findIpamPlugin(host, call)
  host.log.debug('IPAM', { plugin: path, command })
  const child = host.processes.start({
    path,
    environment: { ...call.environment, CNI_PATH: host.cniPath, CNI_COMMAND: command },
    stdin: call.stdin,
    ...how,
  })
  return {
    begin: () => child.begin(),
    async finish() {
      const { status, stdout } = await host.phases.beside('ipam', () => child.wait(IPAM_TIMEOUT_MS))
      if (status !== 0) {
        throw failureOf(call.type, status, stdout)
      }
      return stdout
    },
  }
}

/** How to call the IPAM plugin of a configuration: our stdin and environment byte for byte, except for CNI_COMMAND. */
export function ipamCall(type: string, stdin: string, environment: Environment): IpamCall {
  const set = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
  return { type, stdin, environment: Object.fromEntries(set) }
}

/** The part of a call that is recorded, to repeat it without the caller's environment: the parameters of CNI. */
export const recordedCall = ({ environment, ...call }: IpamCall): IpamCall => ({
  ...call,
  environment: Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('CNI_'))),
})

function readLease(plugin: string, stdout: string): CniResult {
  let result: CniResult
  try {
    result = parseResult(stdout, 'its result')
  } catch (error) {
    throw new PluginError({ kind: 'ipam', plugin, message: messageOf(error) })
  }
  if (result.ips.length === 0) {
    throw new PluginError({ kind: 'ipam', plugin, message: 'gave no address' })
  }
  return result
}

/**
 * Starts the IPAM plugin's ADD. It runs while the VF is moved, and holds a lock until it ends.
 * @throws PluginError kind `ipam`
 */
export function startIpamAdd(host: CallHost, call: IpamCall, held?: Lock): PendingIpam {
  const { finish } = start(host, call, 'ADD', { held })
  let result: Promise<CniResult> | undefined
  return {
    result() {
      result ??= finish().then((stdout) => readLease(call.type, stdout))
      return result
    },
  }
}

/** CNI code: the plugin does not support the version of the configuration. */
const INCOMPATIBLE_VERSION = 1

/** CNI codes of IPAM plugins without GC: version, unknown container, unknown command (golden answers of skel). */
const NO_GC: ReadonlySet<number | undefined> = new Set([INCOMPATIBLE_VERSION, 3, 4])

/**
 * Starts the plugin's DEL, which frees the lease. A plugin that refuses the configuration's version cannot have given a
 * lease; this is no error.
 * @throws PluginError kinds `ipam`, `kernel`
 */
export function startIpamDel(
  host: CallHost,
  call: IpamCall,
  how: Pick<Command, 'held' | 'isHeldBack'> = {},
): StartedIpam<void> {
  const { begin, finish } = start(host, call, 'DEL', how)
  return {
    begin,
    async finish() {
      try {
        await finish()
      } catch (error) {
        requireOtherVersion(host, call, error)
      }
    },
  }
}

/** Frees the lease. @throws PluginError kinds `ipam`, `kernel` */
export const ipamDel = (host: CallHost, call: IpamCall): Promise<void> => startIpamDel(host, call).finish()

/** @throws what was thrown, unless it says that the plugin does not support the version */
function requireOtherVersion(host: CallHost, { type }: IpamCall, error: unknown): void {
  if (!(error instanceof PluginError && error.fault.kind === 'ipam' && error.fault.code === INCOMPATIBLE_VERSION)) {
    throw error
  }
  host.log.warning('the IPAM plugin does not speak the version of the configuration; it holds no lease of it', {
    plugin: type,
  })
}

/** Asks the IPAM plugin whether the lease is still valid. @throws PluginError kinds `ipam`, `decode` */
export async function ipamCheck(host: CallHost, call: IpamCall): Promise<void> {
  const stdout = await start(host, call, 'CHECK').finish()
  if (stdout.trim() !== '') {
    parseJsonObject(stdout, `IPAM plugin ${call.type}`)
  }
}

/**
 * Tells the IPAM plugin which attachments are valid, as listed in the configuration on stdin. It frees the other
 * leases. A plugin without GC is left alone.
 * @throws PluginError kind `ipam`
 */
export async function ipamGc(host: CallHost, call: IpamCall): Promise<void> {
  try {
    await start(host, call, 'GC').finish()
  } catch (error) {
    if (!(error instanceof PluginError && error.fault.kind === 'ipam' && NO_GC.has(error.fault.code))) {
      throw error
    }
    host.log.info('the IPAM plugin has no GC', { plugin: call.type })
  }
}
