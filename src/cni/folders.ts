/**
 * Where the claims, marks and locks of VFs are, whatever `cniDir` says, and the default of `cniDir`. The Go sriov-cni keeps
 * its marks and locks there, too.
 */
export const NODE_FOLDER = '/var/lib/cni/sriov'

/** Where runtimes look for CNI plugins, unless they are told otherwise. */
export const BIN_FOLDER = '/opt/cni/bin'
