/**
 * Where the claims, marks and locks of VFs are, whatever `cniDir` says, and the default of `cniDir`. The Go sriov-cni keeps
 * its marks and locks there, too.
 */
export const NODE_FOLDER = '/var/lib/cni/sriov'
