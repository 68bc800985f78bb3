import type { Host } from '../host/ports.js'
import type { PciAddress } from '../pci/address.js'
import { readMark, removeMark } from '../state/allocations.js'
import { isMentioned, recordOfClaim } from '../state/attachments.js'
import { hasClaim, readClaim } from '../state/claims.js'
import { withFreeVfLock } from '../state/lock.js'
import { type AttachmentRecord, isSameKey } from '../state/record.js'
import { isInUse, isOfThisBoot } from './ownership.js'
import { isNetns } from './pod-netns.js'
import { releaseAttachment } from './release.js'

/** Whether an attachment is no pod's: its ADD or its release did not come to an end, or the machine has booted since. */
export const isUnfinished = (host: Host, record: AttachmentRecord): boolean =>
  record.phase !== 'attached' || !isOfThisBoot(host, record)

/**
 * Gives back a VF whose record is lost: nobody else would ever. A pod that is alive and has it keeps it, unless the
 * runtime does not know it (`isValid`). A VF that another call is at work on is left to that.
 * @throws PluginError kind `release`
 */
export const repairClaim = (host: Host, cniDir: string, found: AttachmentRecord, isValid: boolean): Promise<void> =>
  withFreeVfLock(host, cniDir, found.deviceId, async () => {
    const claim = readClaim(host.files, cniDir, found.deviceId)
    if (!claim || !isSameKey(claim, found) || recordOfClaim(host.files, cniDir, claim)) {
      return
    }
    if (isValid && (await isInUse(host, cniDir, claim))) {
      host.log.warning('the record of an attachment is lost; its pod is alive and keeps the VF', {
        containerId: claim.containerId,
        ifName: claim.ifName,
        device: claim.deviceId,
      })
      return
    }
    await releaseAttachment(host, cniDir, claim)
  })

/**
 * Takes the mark of a dead pod away, or one that a power cut emptied, unless a state file speaks of the VF: then a DEL
 * is to come.
 */
export const repairMark = (host: Host, cniDir: string, deviceId: PciAddress): Promise<void> => {
  const { files } = host
  const markOfNobody = (): string | undefined => {
    const mark = readMark(files, cniDir, deviceId)
    const isUsed = mark === undefined || (mark !== '' && isNetns(host, mark)) || hasClaim(files, cniDir, deviceId)
    return isUsed || isMentioned(files, cniDir, deviceId) ? undefined : mark
  }
  if (markOfNobody() === undefined) {
    return Promise.resolve()
  }
  return withFreeVfLock(host, cniDir, deviceId, async () => {
    const mark = markOfNobody()
    if (mark !== undefined) {
      removeMark(files, cniDir, deviceId, mark)
    }
  })
}
