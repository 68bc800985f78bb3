/** Which VFs a configuration can mean that names none, and why one of them cannot be had. Takes nothing. */
import type { NetConf } from '../../cni/conf/netconf.js'
import { messageOf, PluginError } from '../../errors.js'
import { checkpointPath, devicesGiven, kubeletDevices } from '../../node/kubelet.js'
import { ruleText } from '../../policy/policy.js'
import type { CallHost } from '../../state/folder.js'
import { promisedDevices } from '../../state/promises.js'
import { presenceOf, type VfLocation } from '../device/locate.js'
import { candidates, type OpenChoice } from '../device/select.js'
import { looksFree } from './occupancy.js'

/** Names the holder of VFs that a device plugin hands out. Only deviceID may name such a VF. */
export const KUBELET = "kubelet's device plugin"

/** A choice that can match more than one VF, with its configuration. */
export interface Search {
  readonly host: CallHost
  readonly conf: NetConf
  readonly choice: OpenChoice
}

export const keyOf = (choice: OpenChoice): string => (choice.by === 'pf' ? choice.key : choice.by)

/**
 * Why a VF cannot serve this pod, regardless of who uses it. Undefined when it can. A VF on a user space driver does
 * not serve a pod that wants an interface, unless the selectors name its driver.
 */
export function unfitness({ host: { files }, conf, choice }: Search, location: VfLocation): string | undefined {
  try {
    const { driver, netdev } = presenceOf(files, location, conf.dpdk)
    const isNamed = choice.by === 'selectors' && choice.selectors.drivers?.includes(driver) === true
    return netdev || conf.dpdk || isNamed
      ? undefined
      : `it is bound to ${driver}, which dpdk or selectors.drivers would have to name`
  } catch (error) {
    return messageOf(error)
  }
}

/** Faults that concern one VF only. The search goes on with the others. */
const OF_ONE_VF: ReadonlySet<string> = new Set(['device', 'release', 'netns', 'state', 'tryAgain'])

/**
 * Why `look` says that a VF cannot be had. A fault that concerns this VF only is a reason, too; any other is thrown.
 */
export async function hindranceOf(look: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof PluginError && OF_ONE_VF.has(error.fault.kind)) {
      return error.message
    }
    throw error
  }
}

/**
 * The devices that a device plugin hands out, by kubelet's word or by the plugin's own.
 * @throws PluginError kind `tryAgain` when nobody can tell: kubelet's own must not be taken
 */
export function reservedDevices({ files, policy }: CallHost): ReadonlySet<string> {
  const { kubeletFolder } = policy
  const reserved = kubeletDevices(files, kubeletFolder)
  if (reserved === 'unknown') {
    throw new PluginError({
      kind: 'tryAgain',
      message: `kubelet's checkpoint ${checkpointPath(kubeletFolder)} cannot be understood, so no VF is chosen: it may be kubelet's. Name the VF by deviceID; ${ruleText(policy, 'kubeletFolder', kubeletFolder)}`,
    })
  }
  const given = devicesGiven(files, kubeletFolder)
  return new Set([...reserved, ...(typeof given === 'string' ? [] : given.keys()), ...promisedDevices(files).keys()])
}

/** The VFs that a search can mean, in the order in which they are tried. @throws PluginError kind `device` */
export function tryOrder(search: Search, reserved: ReadonlySet<string>): readonly VfLocation[] {
  const { host, conf, choice } = search
  return candidates(host.files, choice, {
    isFree: (vf) => !reserved.has(vf.address) && looksFree(host, vf.address) && unfitness(search, vf) === undefined,
    ...(conf.numaNode !== undefined && { numaNode: conf.numaNode }),
  })
}
