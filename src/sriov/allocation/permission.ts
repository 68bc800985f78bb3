/** Which devices the policy of the node lets a call have (docs/policy.md). */
import type { PfSelector } from '../../cni/conf/selectors.js'
import { type ConfigIssue, PluginError } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { devicesOfOtherPods, devicesOfPod } from '../../node/kubelet.js'
import { ruleText } from '../../policy/policy.js'
import type { Rtnl } from '../../rtnl/connection.js'
import type { CallHost } from '../../state/folder.js'
import { promisedDevices } from '../../state/promises.js'
import { type DeviceLocation, describeDevice } from '../device/locate.js'
import { type HostUse, lookAtHostUse } from '../users/host-use.js'

/** A device that a configuration names or chooses. `pfName` is the interface of a whole PF. */
export interface Asked {
  readonly location: DeviceLocation
  /** The key of the configuration that leads to it. */
  readonly key: string
  readonly pfName?: string
}

function isIn({ location: { address, vf }, pfName }: Asked, { pf, indexes }: PfSelector): boolean {
  const names = vf ? [vf.pf.name, vf.pf.address] : [address, ...(pfName === undefined ? [] : [pfName])]
  // A PF as a whole is more than some of its VFs.
  const hasIndex = !indexes || (vf !== undefined && indexes.some(([from, to]) => vf.index >= from && vf.index <= to))
  return hasIndex && names.some((name) => name.toLowerCase() === pf.toLowerCase())
}

const shownPfs = (selectors: readonly PfSelector[]): string[] =>
  selectors.map(({ pf, indexes }) =>
    indexes ? `${pf}#${indexes.map(([from, to]) => (from === to ? from : `${from}-${to}`)).join(',')}` : pf,
  )

/** The rule that keeps a device from the call; undefined when there is none. Looks at names only. */
export function ruleAgainst({ policy, limits }: CallHost, asked: Asked): string | undefined {
  const { pfs, wholePfs } = policy
  if (pfs && !pfs.some((one) => isIn(asked, one))) {
    return ruleText(policy, 'pfs', shownPfs(pfs))
  }
  const own = limits?.limits.pfs
  if (own && !own.some((one) => isIn(asked, one))) {
    return ruleText(policy, limits.key, { pfs: shownPfs(own) })
  }
  const { pfName, location } = asked
  const isWholePf = pfName !== undefined
  const mayBeTaken =
    wholePfs === 'unused' ||
    (wholePfs && [pfName, location.address].some((one) => one !== undefined && wholePfs.includes(one)))
  return isWholePf && !mayBeTaken ? ruleText(policy, 'wholePfs', wholePfs) : undefined
}

/**
 * Why the host keeps a device for itself, and its interface as it was looked at. Nobody else uses it, and its lock is held.
 * @throws PluginError kind `kernel`
 */
export async function hostUseAgainst(host: CallHost, rtnl: Rtnl, location: DeviceLocation): Promise<HostUse> {
  if (host.policy.hostInterfaces) {
    return {}
  }
  const { use, link } = await lookAtHostUse(host, rtnl, location)
  return use === undefined
    ? { ...(link && { link }) }
    : { use: `the host uses it: ${use}; ${ruleText(host.policy, 'hostInterfaces', false)}` }
}

/** How a rule is told as the reason why a device is not given. */
export const keptByRule = (rule: string): string => `the policy of this node keeps it: ${rule}`

/**
 * Whether the device plugin has promised it, and kubelet has not written down that it is for this pod. It writes before the
 * pod has a sandbox.
 */
function isPromisedToAnother({ files, policy, podUid }: CallHost, address: string): boolean {
  if (podUid === undefined || !promisedDevices(files).has(address)) {
    return false
  }
  const own = devicesOfPod(files, policy.kubeletFolder, podUid)
  return own !== undefined && !own.has(address)
}

/**
 * Returns the interface of the device, if it was looked at.
 * @throws PluginError kind `policy` when a device that was named is not for this call
 */
export async function requirePermitted(host: CallHost, rtnl: Rtnl, asked: Asked): Promise<Link | undefined> {
  const pod = host.podUid
  const holder = pod === undefined ? undefined : devicesOfOtherPods(host.files, host.policy.kubeletFolder, pod)
  const isOthers = holder?.has(asked.location.address) === true || isPromisedToAnother(host, asked.location.address)
  const rule = ruleAgainst(host, asked)
  const { use, link }: HostUse = isOthers
    ? { use: 'kubelet has given it to another pod' }
    : rule === undefined
      ? await hostUseAgainst(host, rtnl, asked.location)
      : { use: keptByRule(rule) }
  if (use !== undefined) {
    const refusals: ConfigIssue[] = [{ key: asked.key, problem: `${describeDevice(asked.location)}: ${use}` }]
    throw new PluginError({ kind: 'policy', refusals })
  }
  return link
}
