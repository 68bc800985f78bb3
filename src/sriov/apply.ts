import { errnoOf, PluginError } from '../errors.js'
import type { Link } from '../netlink/link.js'
import { findVfInfo, type VfInfo } from '../netlink/vf-info.js'
import type { Rtnl } from '../rtnl/connection.js'
import { changeVf, pfWithVfs } from '../rtnl/link.js'
import { describeVf } from './locate.js'
import { mergeSteps, type VfStep } from './plan.js'

/** A VF as error messages and netlink requests address it. */
export interface VfTarget {
  readonly pfName: string
  readonly pfIndex: number
  readonly vfIndex: number
  readonly driver: string
}

/** A PF's own index and the settings it holds for one VF. */
export interface PfView {
  readonly pf: Link
  readonly vf: VfInfo
}

/**
 * Reads the settings of one VF: one dump of its PF.
 * @throws PluginError kind `device` when the PF does not report the VF
 */
export async function readVf(rtnl: Rtnl, pfName: string, vfIndex: number): Promise<PfView> {
  const pf = await pfWithVfs(rtnl, pfName)
  const vf = pf.vfList && findVfInfo(pf.vfList, vfIndex)
  if (!vf) {
    throw new PluginError({
      kind: 'device',
      message: `${pfName} does not report ${describeVf(vfIndex, pfName)}`,
    })
  }
  return { pf, vf }
}

/**
 * Takes steps in one message. A refusal of several at once does not say which one the driver meant, so they are tried
 * one by one then; those that held already are simply written again.
 * @throws PluginError kind `kernel` naming the setting, the VF and the driver
 */
export async function applyVfSteps(rtnl: Rtnl, target: VfTarget, steps: readonly VfStep[]): Promise<void> {
  const { pfName, pfIndex, vfIndex, driver } = target
  const apply = (operation: string, some: readonly VfStep[]) =>
    changeVf(rtnl, pfIndex, vfIndex, mergeSteps(some), { operation, target: describeVf(vfIndex, pfName), driver })
  const [first, ...others] = steps
  if (!first) {
    return
  }
  try {
    await apply(steps.map(({ operation }) => operation).join(', '), steps)
  } catch (error) {
    if (others.length === 0 || errnoOf(error) === undefined) {
      throw error
    }
    for (const step of steps) {
      await apply(step.operation, [step])
    }
  }
}
