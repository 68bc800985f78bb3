import type { CallArgs } from '../cni/args.js'
import type { ParsedNetConf } from '../cni/netconf.js'
import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'

/**
 * STATUS: whether an ADD could be served: the state folder is writable. That all VFs are taken is no error.
 * @throws PluginError kind `notReady`
 */
export async function status({ files }: Host, _args: CallArgs, { conf }: ParsedNetConf): Promise<void> {
  const { cniDir } = conf
  let problem: string | undefined
  try {
    files.makeFolder(cniDir)
    problem = files.isWritable(cniDir) ? undefined : 'it is not writable'
  } catch (error) {
    problem = messageOf(error)
  }
  if (problem !== undefined) {
    throw new PluginError({ kind: 'notReady', message: `the state folder ${cniDir} cannot be used: ${problem}` })
  }
}
