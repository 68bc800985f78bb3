import type { CallArgs } from '../../cni/args.js'
import type { NetConf } from '../../cni/netconf.js'

/** The interface's name in the pod. */
export const podIfName = ({ conf, args }: { readonly conf: NetConf; readonly args: CallArgs }): string =>
  conf.podIfName ?? args.ifName

/** What the second interface of a VF that has two is called there. */
export const secondName = (name: string): string => `${name}d1`
