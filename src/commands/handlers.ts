import type { CallArgs, Verb } from '../cni/args.js'
import type { NetConf } from '../cni/conf/netconf.js'
import type { Handler } from '../cni/dispatch.js'
import { resultDocument } from '../cni/result.js'
import { messageOf, PluginError } from '../errors.js'
import { type FilePort, type Host, isSameNetns, type Netns, type OpenedNetns } from '../host/ports.js'
import { type GovernedNetConf, govern } from '../policy/govern.js'
import { loadPolicy } from '../policy/load.js'
import { type CallHost, callHost } from '../state/folder.js'
import { add } from './add.js'
import { check } from './check.js'
import { del } from './del.js'
import { gc } from './gc.js'
import { journalOf } from './journal.js'
import { status } from './status.js'

/** How a process reaches this machine. */
export interface Machine {
  openFiles(): FilePort
  /** Makes the host of one call. Its log goes where the configuration says; the policy has been applied to that. */
  hostOf(verb: Verb, args: CallArgs, conf: NetConf): Host
}

/** A call to which the policy of the node has been applied. */
interface GovernedCall {
  readonly args: CallArgs
  readonly parsed: GovernedNetConf
}

/** A container runtime's path to the namespace of a process. After that process ends, another may have its number. */
const OF_A_PROCESS = /^\/proc\/\d+\//

const isTrue = (text: string | undefined): boolean => ['1', 't', 'true'].includes((text ?? '').toLowerCase())

/** Returns an error when the namespace is our own, unless CNI_NETNS_OVERRIDE allows that. */
function ownNetnsProblem({ kernel }: Host, { environment }: CallArgs, netns: Netns): PluginError | undefined {
  const own = kernel.ownNetns()
  const isOwn = isSameNetns(own.id, netns.id)
  return isOwn && !isTrue(environment.CNI_NETNS_OVERRIDE)
    ? new PluginError({
        kind: 'netns',
        path: netns.path,
        problem: "plugin's netns and netns from CNI_NETNS should not be the same",
      })
    : undefined
}

async function withNetns<T>(host: Host, { netnsPath }: CallArgs, work: (netns: Netns) => Promise<T>): Promise<T> {
  using netns = host.kernel.openNetns(netnsPath)
  return await work(netns)
}

/** DEL works without a namespace. Returns an error only for one that is our own. */
function netnsProblemOfDel(host: Host, args: CallArgs): PluginError | undefined {
  if (args.netnsPath === '') {
    return undefined
  }
  let opened: OpenedNetns
  try {
    opened = host.kernel.openNetns(args.netnsPath)
  } catch (error) {
    host.log.debug('DEL without a namespace', { problem: messageOf(error) })
    return undefined
  }
  using netns = opened
  return ownNetnsProblem(host, args, netns)
}

/** The handlers of the five verbs, which cni/dispatch.ts calls. */
export function handlers(machine: Machine): Readonly<Record<Verb, Handler>> {
  const on =
    (work: (host: CallHost, call: GovernedCall) => Promise<object | undefined>): Handler =>
    async ({ verb, args, parsed: given }) => {
      const files = machine.openFiles()
      const policy = loadPolicy(files)
      const parsed = govern(files, policy, given, args)
      const host = callHost(machine.hostOf(verb, args, parsed.conf), policy, args, parsed.conf.cniDir)
      for (const warning of parsed.warnings) {
        host.log.warning(warning)
      }
      const journal = journalOf(host, { verb, args, network: parsed.conf.name })
      try {
        const answer = await work(host, { args, parsed })
        journal.succeeded()
        return answer
      } catch (error) {
        host.log.info('the call failed', { error: messageOf(error) })
        journal.failed(error)
        throw error
      }
    }
  return {
    ADD: on((host, { args, parsed }) =>
      withNetns(host, args, async (netns) => {
        const problem = ownNetnsProblem(host, args, netns)
        if (problem) {
          throw problem
        }
        return resultDocument(await add(host, args, parsed, netns), parsed.conf.cniVersion)
      }),
    ),
    DEL: on(async (host, { args, parsed }) => {
      const problem = netnsProblemOfDel(host, args)
      const wasKnown = await del(host, args, parsed)
      if (problem && !wasKnown && !OF_A_PROCESS.test(args.netnsPath)) {
        throw problem
      }
      return undefined
    }),
    CHECK: on((host, { args, parsed }) =>
      withNetns(host, args, (netns) => check(host, args, parsed, netns).then(() => undefined)),
    ),
    GC: on((host, { args, parsed }) => gc(host, args, parsed).then(() => undefined)),
    STATUS: on((host, { args, parsed }) => status(host, args, parsed).then(() => undefined)),
  }
}
