import { NODE_FOLDER } from '../cni/folders.js'
import type { FilePort, Host } from '../host/ports.js'

/** Where the attachments of a configuration are recorded. */
export interface StateFolder {
  readonly files: FilePort
  /** The folder of the records: `cniDir` of the configuration. */
  readonly path: string
}

/** The edges of this machine, and the state folder of a call's configuration. */
export interface HostWithState extends Host {
  readonly state: StateFolder
}

/** Adds the state folder `cniDir` to a host. */
export const withState = (host: Host, cniDir: string): HostWithState => ({
  ...host,
  state: { files: host.files, path: cniDir },
})

/** Every folder that may hold records: the configuration's, and the node's, where other plugins keep theirs. */
export const recordFolders = ({ path }: StateFolder): readonly string[] =>
  path === NODE_FOLDER ? [path] : [path, NODE_FOLDER]
