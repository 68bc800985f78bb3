import type { CallArgs } from '../../cni/args.js'
import type { NetConf } from '../../cni/conf/netconf.js'

/** The name of the interface in the pod. */
export const podIfName = ({ conf, args }: { readonly conf: NetConf; readonly args: CallArgs }): string =>
  conf.podIfName ?? args.ifName

/** The name in the pod of the second interface, for a VF that has two (ConnectX-3). */
export const secondName = (name: string): string => `${name}d1`
