/**
 * In switchdev mode every VF has a representor on the host: the port of the card's switch that the VF is connected to
 * (Documentation/networking/switchdev.rst). Traffic of the pod needs the representor up, with the MTU of the VF.
 */
import type { ResultInterface } from '../../cni/result.js'
import { PluginError } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import { representorOf } from '../../pci/functions.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { changeLink, linkByName } from '../../rtnl/link.js'
import type { RecordedRepresentor } from '../../state/record.js'
import type { DeviceLocation } from './locate.js'
import type { RecordedPlace } from './recorded-vf.js'

/**
 * Finds the representor of a VF, with its current state. Undefined when the card is not in switchdev mode.
 * @throws PluginError kind `kernel`
 */
export async function findRepresentor(
  files: FilePort,
  rtnl: Rtnl,
  { vf }: DeviceLocation,
): Promise<RecordedRepresentor | undefined> {
  const name = vf && representorOf(files, vf.pf.address, vf.pf.name, vf.index)
  const link = name === undefined ? undefined : await linkByName(rtnl, name)
  return link && { name: link.name, mtu: link.mtu, isUp: link.isUp }
}

/**
 * Brings a representor up with the MTU of the interface in the pod, in bytes. Returns its entry for the result of the
 * ADD.
 * @throws PluginError kinds `device`, `kernel`
 */
export async function setUpRepresentor(
  rtnl: Rtnl,
  { name }: RecordedRepresentor,
  mtu: number,
): Promise<ResultInterface> {
  const link = await linkByName(rtnl, name)
  if (!link) {
    throw new PluginError({ kind: 'device', message: `the representor ${name} is gone` })
  }
  if (link.mtu !== mtu || !link.isUp) {
    const blame = { operation: `bring it up with mtu ${mtu}`, target: `the representor ${name}` }
    await changeLink(rtnl, link.index, { isUp: true, ...(link.mtu !== mtu && { mtu }) }, blame)
  }
  return { name, mac: link.mac, mtu }
}

/**
 * Restores the MTU of the representor of a VF, and whether it is up. Does nothing when there is none any more. The record's
 * name may be another interface's by now.
 * @throws PluginError kind `kernel`
 */
export async function restoreRepresentor(
  files: FilePort,
  rtnl: Rtnl,
  { mtu, isUp }: RecordedRepresentor,
  { pfAddress, pfName, vfIndex }: Pick<RecordedPlace, 'pfAddress' | 'pfName' | 'vfIndex'>,
): Promise<void> {
  const name = representorOf(files, pfAddress, pfName, vfIndex)
  const link = name === undefined ? undefined : await linkByName(rtnl, name)
  if (name !== undefined && link && (link.mtu !== mtu || link.isUp !== isUp)) {
    const blame = { operation: `set mtu ${mtu} and take it ${isUp ? 'up' : 'down'}`, target: `the representor ${name}` }
    await changeLink(rtnl, link.index, { isUp, ...(link.mtu !== mtu && { mtu }) }, blame)
  }
}
