import type { FilePort, Host } from '../host/ports.js'

/**
 * Where claims, marks and locks are, whatever `cniDir` says: a VF has one of each on a node. The Go sriov-cni keeps its
 * marks and locks there, too.
 */
export const NODE_FOLDER = '/var/lib/cni/sriov'

/** Where the attachments of a configuration are remembered. */
export interface StateFolder {
  readonly files: FilePort
  /** The folder of the records: `cniDir` of the configuration. */
  readonly path: string
}

/** This machine, and where the configuration of a call keeps its attachments. */
export interface HostWithState extends Host {
  readonly state: StateFolder
}

export const withState = (host: Host, cniDir: string): HostWithState => ({
  ...host,
  state: { files: host.files, path: cniDir },
})

/** Every folder that may hold records: that of the configuration, and that of the node, where other plugins keep theirs. */
export const recordFolders = ({ path }: StateFolder): readonly string[] =>
  path === NODE_FOLDER ? [path] : [path, NODE_FOLDER]
