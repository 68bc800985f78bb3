import type { CallArgs } from '../cni/args.js'
import type { NetConf } from '../cni/conf/netconf.js'
import { NODE_FOLDER } from '../cni/folders.js'
import { messageOf, PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import { deviceExists, interfaceExists } from '../pci/functions.js'
import { type GovernedNetConf, requireAllowed } from '../policy/govern.js'
import { type CallHost, requireTrustedState, type StateFolder } from '../state/folder.js'

function problemOf(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function folderProblem(files: FilePort, folder: string): string | undefined {
  try {
    files.makeFolder(folder)
    return files.isWritable(folder) ? undefined : `the state folder ${folder} cannot be used: it is not writable`
  } catch (error) {
    return `the state folder ${folder} cannot be used: ${messageOf(error)}`
  }
}

/** Claims and locks are always in the folder of the node, wherever the records are. */
const stateFolderProblem = ({ files, path }: StateFolder): string | undefined =>
  folderProblem(files, path) ?? (path === NODE_FOLDER ? undefined : folderProblem(files, NODE_FOLDER))

/** A whole PF is not checked: it leaves the host while a pod has it, and that is no problem. */
function deviceProblem(files: FilePort, { device }: NetConf): string | undefined {
  if (device?.by === 'address' && !deviceExists(files, device.address)) {
    return `deviceID: there is no PCI device ${device.address} on this node`
  }
  return device?.by === 'pf' && !interfaceExists(files, device.pfName)
    ? `${device.key}: there is no interface ${device.pfName} on this node`
    : undefined
}

/**
 * STATUS: checks whether an ADD could be served: the policy allows it, the state folder is writable, and the
 * configured device is there. It
 * is no error when all VFs are taken, because any error here makes the node NotReady.
 * @throws PluginError kind `notReady`
 */
export async function status(
  { files, state, policy }: CallHost,
  _args: CallArgs,
  parsed: GovernedNetConf,
): Promise<void> {
  const problem =
    problemOf(() => requireAllowed(policy, parsed)) ??
    problemOf(() => requireTrustedState(state)) ??
    stateFolderProblem(state) ??
    deviceProblem(files, parsed.conf)
  if (problem !== undefined) {
    throw new PluginError({ kind: 'notReady', message: problem })
  }
}
