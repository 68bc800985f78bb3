/** Which devices the policy of the node lets a call have (docs/policy.md). */
import type { PfSelector } from '../../cni/selectors.js'
import { type ConfigIssue, PluginError } from '../../errors.js'
import { devicesOfOtherPods } from '../../node/kubelet.js'
import { ruleText } from '../../policy/policy.js'
import type { CallHost } from '../../state/folder.js'
import { type DeviceLocation, describeDevice } from '../device/locate.js'
import { hostUseOf } from '../users/host-use.js'

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

/** Why the rules keep a device from the call; undefined when they do not. Looks at names only. */
function ruleAgainst({ policy, limits }: CallHost, asked: Asked): string | undefined {
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

/** Why the host keeps a device for itself; undefined when it does not. */
async function useAgainst(host: CallHost, { location }: Asked): Promise<string | undefined> {
  if (host.policy.hostInterfaces) {
    return undefined
  }
  const use = await hostUseOf(host, location)
  return use === undefined ? undefined : `the host uses it: ${use}; ${ruleText(host.policy, 'hostInterfaces', false)}`
}

/**
 * Why a device is not for this call; undefined when it is. Nobody else uses it, and its lock is held.
 * @throws PluginError kind `kernel`
 */
export async function denialOf(host: CallHost, asked: Asked): Promise<string | undefined> {
  const rule = ruleAgainst(host, asked)
  return rule === undefined ? useAgainst(host, asked) : `the policy of this node keeps it: ${rule}`
}

/** @throws PluginError kind `policy` when a device that was named is not for this call */
export async function requirePermitted(host: CallHost, asked: Asked): Promise<void> {
  const pod = host.podUid
  const holder = pod === undefined ? undefined : devicesOfOtherPods(host.files, host.policy.kubeletFolder, pod)
  const isOthers = holder?.has(asked.location.address) === true
  const problem = isOthers ? 'kubelet has given it to another pod' : await denialOf(host, asked)
  if (problem !== undefined) {
    const refusals: ConfigIssue[] = [{ key: asked.key, problem: `${describeDevice(asked.location)}: ${problem}` }]
    throw new PluginError({ kind: 'policy', refusals })
  }
}
