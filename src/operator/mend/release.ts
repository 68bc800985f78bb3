/** `sriovctl release`: gives one VF back, whoever has it. */
import { ifNameProblem, isIdentifier } from '../../cni/args.js'
import { givingBack } from '../../commands/journal.js'
import { parsePciAddress } from '../../pci/address.js'
import { describeRecorded } from '../../sriov/device/locate.js'
import { releaseAttachment } from '../../sriov/give-back/release.js'
import { holderOf, holdersOfVf } from '../../sriov/users/ownership.js'
import { tenancyOf } from '../../sriov/users/tenancy.js'
import { loadSurely } from '../../state/attachments.js'
import { type CallHost, requireTrustedState } from '../../state/folder.js'
import { withVfLock } from '../../state/lock.js'
import { readMark } from '../../state/marks.js'
import { type AttachmentRecord, isSameKey } from '../../state/record.js'
import { asJson, type Output, printable } from '../output.js'

export interface ReleaseOptions {
  readonly yes?: true
  readonly json?: true
}

/** Asks a person; false when there is none. */
export type Ask = (question: string) => Promise<boolean>

/** The record that an operator means, by its device or by container and interface. @throws Error, PluginError */
function recordMeant(host: CallHost, what: string, ifName: string | undefined): AttachmentRecord {
  const address = parsePciAddress(what)
  if (address !== undefined && ifName === undefined) {
    const [record] = holdersOfVf(host, address, readMark(host.files, address))
    if (!record) {
      throw new Error(`no attachment is recorded for ${address}`)
    }
    return record
  }
  if (ifName === undefined || !isIdentifier(what) || ifNameProblem(ifName)) {
    throw new Error('it is either the PCI address of a VF, or a container ID and the name of an interface')
  }
  const read = loadSurely(host.state, { containerId: what, ifName })
  if (read?.kind !== 'record') {
    throw new Error(read ? read.problem : `no attachment is recorded for container ${what} interface ${ifName}`)
  }
  return read.record
}

/**
 * Gives back the VF of an attachment, its lease included. Returns the exit code: 1 when somebody said no.
 * @throws PluginError kind `release`, Error
 */
export async function releaseOne(
  host: CallHost,
  { out, ask }: { readonly out: Output; readonly ask: Ask },
  [what, ifName]: readonly [string, string | undefined],
  { yes, json }: ReleaseOptions,
): Promise<number> {
  requireTrustedState(host.state)
  const meant = recordMeant(host, what, ifName)
  const isAlive = (await tenancyOf(host, meant)) !== 'free'
  const who = `${describeRecorded(meant)} of ${printable(holderOf(meant))}`
  const question = `Give back ${who}?${isAlive ? ' Its pod is alive and loses it.' : ''}`
  if (!yes && !(await ask(question))) {
    return 1
  }
  await withVfLock(host, meant.deviceId, async (lock) => {
    // Somebody else may have done it meanwhile, and another pod may have the VF now.
    const now = recordMeant(host, what, ifName)
    if (!isSameKey(now, meant) || now.deviceId !== meant.deviceId) {
      throw new Error('another pod has got it meanwhile; nothing was changed')
    }
    const given = { verb: 'release', device: now.deviceId, record: now } as const
    await givingBack(host, given, () => releaseAttachment(host, now, { lock }))
  })
  out.write(json ? asJson({ device: meant.deviceId }) : `given back: ${who}\n`)
  return 0
}
