import { readCall } from '../cni/call.js'
import { NODE_FOLDER } from '../cni/folders.js'
import type { OtherView } from '../host/process/other-view.js'
import { POLICY_FOLDERS } from '../policy/policy.js'
import type { Request } from './protocol.js'

/** The state folder that a request names; undefined when the request is not a call that uses one. */
function stateFolderOf({ environment, stdin }: Request): string | undefined {
  try {
    return readCall(environment.CNI_COMMAND ?? '', environment, () => stdin).parsed.conf.cniDir
  } catch {
    return undefined
  }
}

/**
 * Whether a call sees the same files here as its caller does: its IPAM plugins and its state. Multus in its container
 * makes calls from another mount namespace, below the root of the host. A plugin in a container with its own root has
 * other files under the same names.
 */
export function seesSameFiles(view: OtherView, request: Request): boolean {
  const folders = (request.environment.CNI_PATH ?? '').split(':').filter((folder) => folder !== '')
  // From another working folder a relative path leads elsewhere.
  if (!folders.every((folder) => folder.startsWith('/'))) {
    return false
  }
  if (view.isOurs()) {
    return true
  }
  if (!['/', NODE_FOLDER, ...POLICY_FOLDERS, ...folders].every((path) => view.sharesPath(path))) {
    return false
  }
  const stateFolder = stateFolderOf(request)
  return stateFolder === undefined || view.sharesPath(stateFolder)
}
