import type { Host, Lock } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { recordOfClaim } from '../../state/attachments.js'
import { dropClaim, hasClaim, readClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { isMentioned } from '../../state/listing.js'
import { withFreeVfLock } from '../../state/lock.js'
import { readMark, removeMark } from '../../state/marks.js'
import type { AttachmentRecord } from '../../state/record.js'
import { isOfThisBoot } from '../users/ownership.js'
import { isPodNetns } from '../users/pod-netns.js'
import { awaitTenancy } from '../users/tenancy.js'

/** Whether an attachment serves no pod: its ADD or its release did not finish, or the machine has booted since. */
export const isUnfinished = (host: Host, record: AttachmentRecord): boolean =>
  record.phase !== 'attached' || !isOfThisBoot(host, record)

/**
 * Gives back a VF whose record is lost, by `giveBack`; nothing else would. A live pod keeps its VF, unless the runtime does not know
 * the attachment (`isValid`). Does nothing while another call is at work on the VF. Removes a claim that cannot be read
 * and that belongs to no record, because it is of no use.
 * @throws what `giveBack` throws
 */
export const repairClaim = (
  host: CallHost,
  deviceId: PciAddress,
  isValid: (claim: AttachmentRecord) => boolean,
  giveBack: (claim: AttachmentRecord, lock: Lock) => Promise<void>,
): Promise<void> =>
  withFreeVfLock(host, deviceId, async (lock) => {
    const { files, log, state } = host
    const claim = readClaim(files, deviceId)
    if (!claim) {
      removeBrokenClaim(host, deviceId)
      return
    }
    if (recordOfClaim(state, claim)) {
      return
    }
    if (isValid(claim) && (await awaitTenancy(host, claim)) === 'used') {
      const { containerId, ifName } = claim
      log.warning('the record of an attachment is lost; its pod is alive and keeps the VF', {
        containerId,
        ifName,
        deviceId,
      })
      return
    }
    await giveBack(claim, lock)
  })

function removeBrokenClaim({ files, log, state }: CallHost, deviceId: PciAddress): void {
  if (hasClaim(files, deviceId) && !isMentioned(state, deviceId)) {
    log.error('a claim that cannot be read is removed; how its VF was is not known', { deviceId })
    dropClaim(files, deviceId)
  }
}

/**
 * Removes the mark of a dead pod, or one that a power cut emptied. Keeps it while a state file names the VF, because a
 * DEL is still to come.
 */
export const repairMark = (host: CallHost, deviceId: PciAddress): Promise<void> => {
  const { files, state } = host
  const markOfNobody = (): string | undefined => {
    const mark = readMark(files, deviceId)
    const isUsed = mark === undefined || isPodNetns(host, mark) || hasClaim(files, deviceId)
    return isUsed || isMentioned(state, deviceId) ? undefined : mark
  }
  if (markOfNobody() === undefined) {
    return Promise.resolve()
  }
  return withFreeVfLock(host, deviceId, async () => {
    const mark = markOfNobody()
    if (mark !== undefined) {
      removeMark(files, deviceId, mark)
    }
  })
}
