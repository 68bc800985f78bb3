import { errnoOf, PluginError } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { findVfInfo, type VfInfo } from '../../netlink/vf-info.js'
import type { PciAddress } from '../../pci/address.js'
import { isBusy } from '../../rtnl/busy.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { changeVf, pfWithVfs } from '../../rtnl/link.js'
import type { CallHost } from '../../state/folder.js'
import { withPfLock } from '../../state/lock.js'
import { describeVf } from '../device/locate.js'
import { holds, mergeSteps, type VfStep } from './plan.js'

/** How error messages and netlink requests address a VF. */
export interface VfTarget {
  readonly pfName: string
  readonly pfAddress: PciAddress
  readonly pfIndex: number
  readonly vfIndex: number
  readonly driver: string
}

/** What it takes to write to a PF. One call at a time does, under the lock of the PF. */
export interface PfWriter {
  readonly host: CallHost
  readonly rtnl: Rtnl
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

/** Applies one step. A driver that stays busy may have applied it all the same, so the PF is asked. */
async function applyOrReadBack(rtnl: Rtnl, { pfName, vfIndex }: VfTarget, step: VfStep, apply: () => Promise<void>) {
  try {
    await apply()
  } catch (error) {
    if (!isBusy(error) || !holds(step, (await readVf(rtnl, pfName, vfIndex)).vf)) {
      throw error
    }
  }
}

/**
 * Applies all steps in one message, under the lock of the PF. A refusal of several does not say which one the driver
 * meant: they are then applied one by one, and those that hold already are written again.
 * @throws PluginError kind `kernel` naming the setting, the VF and the driver; kind `tryAgain` without the lock
 */
export async function applyVfSteps(
  { host, rtnl }: PfWriter,
  target: VfTarget,
  steps: readonly VfStep[],
): Promise<void> {
  const { pfName, pfAddress, pfIndex, vfIndex, driver } = target
  const apply = (operation: string, some: readonly VfStep[]) =>
    changeVf(rtnl, pfIndex, vfIndex, mergeSteps(some), { operation, target: describeVf(vfIndex, pfName), driver })
  const [first, ...others] = steps
  if (!first) {
    return
  }
  const applyAll = async () => {
    try {
      await apply(steps.map(({ operation }) => operation).join(', '), steps)
      return
    } catch (error) {
      if ((others.length === 0 && !isBusy(error)) || errnoOf(error) === undefined) {
        throw error
      }
    }
    for (const step of steps) {
      await applyOrReadBack(rtnl, target, step, () => apply(step.operation, [step]))
    }
  }
  await withPfLock(host, pfAddress, () => host.phases.during('pf', applyAll))
}
