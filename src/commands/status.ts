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

/** A PF that a pod has as a whole is not on the host, and that is no problem. */
function deviceProblem(files: FilePort, { device }: NetConf): string | undefined {
  if (device?.by === 'address' && !deviceExists(files, device.address)) {
    return `deviceID: there is no PCI device ${device.address} on this node`
  }
  return device?.by === 'pf' && !interfaceExists(files, device.pfName)
    ? `${device.key}: there is no interface ${device.pfName} on this node`
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
