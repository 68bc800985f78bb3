/** `sriovctl repair`: brings a VF back whose record is lost. */
import { givingBack } from '../../commands/journal.js'
import { type PciAddress, parsePciAddress } from '../../pci/address.js'
import { describeDevice, locateDevice } from '../../sriov/device/locate.js'
import { rescueVf } from '../../sriov/give-back/rescue.js'
import { programsOf } from '../../sriov/users/function-users.js'
import { devicesOfLivePods } from '../../sriov/users/given.js'
import { holderOf, holdersOfVf } from '../../sriov/users/ownership.js'
import { isPodNetns } from '../../sriov/users/pod-netns.js'
import { type CallHost, requireTrustedState } from '../../state/folder.js'
import { withVfLock } from '../../state/lock.js'
import { markPath, readMark, removeMark } from '../../state/marks.js'
import { asJson, type Output, printable } from '../output.js'
import type { Ask, ReleaseOptions } from './release.js'

/** @throws Error when somebody has the VF by record, by mark, by kubelet, or open */
async function requireUnrecorded(host: CallHost, address: PciAddress): Promise<void> {
  const mark = readMark(host.files, address)
  const [record] = holdersOfVf(host, address, mark)
  if (record) {
    throw new Error(`${holderOf(record)} has ${address} by its record: sriovctl release ${address}`)
  }
  if (mark !== undefined && isPodNetns(host, mark)) {
    throw new Error(`the pod of ${mark} has ${address}, as ${markPath(address)} says`)
  }
  const programs = await programsOf(host, address)
  if (programs !== undefined) {
    throw new Error(`${address} is used by ${programs}`)
  }
  const given = devicesOfLivePods(host)
  if (given !== 'unknown' && given.has(address)) {
    throw new Error(
      `kubelet has given ${address} to a pod, which may have it by another plugin: delete the pod, and its device comes back`,
    )
  }
}

/**
 * Brings a VF of which nothing is recorded back to the host, with its driver's defaults. Returns the exit code: 1 when
 * somebody said no. @throws PluginError, Error
 */
export async function repair(
  host: CallHost,
  { out, ask }: { readonly out: Output; readonly ask: Ask },
  what: string,
  { yes, json }: ReleaseOptions,
): Promise<number> {
  requireTrustedState(host.state)
  const address = parsePciAddress(what)
  if (address === undefined) {
    throw new Error(`'${what}' is no PCI address like 0000:01:10.4`)
  }
  const location = locateDevice(host.files, address)
  await requireUnrecorded(host, address)
  const who = describeDevice(location)
  const question = `Bring ${who} to the host, from whatever namespace has it, and set its PF's defaults for it?`
  if (!yes && !(await ask(question))) {
    return 1
  }
  await withVfLock(host, address, async () => {
    await requireUnrecorded(host, address)
    const done = await givingBack(host, { verb: 'repair', device: address }, async () => {
      const steps = await rescueVf(host, location)
      const mark = readMark(host.files, address)
      if (mark !== undefined) {
        removeMark(host.files, address, mark)
      }
      return steps
    })
    out.write(
      json ? asJson({ device: address, done }) : `${who}\n${done.map((one) => `  ${printable(one)}\n`).join('')}`,
    )
  })
  return 0
}
