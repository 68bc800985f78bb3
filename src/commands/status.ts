import type { CallArgs } from '../cni/args.js'
import type { NetConf, ParsedNetConf } from '../cni/netconf.js'
import { messageOf, PluginError } from '../errors.js'
import type { FilePort, Host } from '../host/ports.js'
import { deviceExists, interfaceExists } from '../pci/functions.js'

function stateFolderProblem(files: FilePort, { cniDir }: NetConf): string | undefined {
  try {
    files.makeFolder(cniDir)
    return files.isWritable(cniDir) ? undefined : `the state folder ${cniDir} cannot be used: it is not writable`
  } catch (error) {
    return `the state folder ${cniDir} cannot be used: ${messageOf(error)}`
  }
}

function deviceProblem(files: FilePort, { deviceId, pfName }: NetConf): string | undefined {
  if (deviceId !== undefined && !deviceExists(files, deviceId)) {
    return `deviceID: there is no PCI device ${deviceId} on this node`
  }
  return deviceId === undefined && pfName !== undefined && !interfaceExists(files, pfName)
    ? `master: there is no interface ${pfName} on this node`
    : undefined
}

/**
 * STATUS: whether an ADD could be served: the state folder is writable, the configured device is there. That all VFs
 * are taken is no error: any error here makes the node NotReady.
 * @throws PluginError kind `notReady`
 */
export async function status({ files }: Host, _args: CallArgs, { conf }: ParsedNetConf): Promise<void> {
  const problem = stateFolderProblem(files, conf) ?? deviceProblem(files, conf)
  if (problem !== undefined) {
    throw new PluginError({ kind: 'notReady', message: problem })
  }
}
