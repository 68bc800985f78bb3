import type { Host } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { isMentioned, recordOfClaim } from '../../state/attachments.js'
import { dropClaim, hasClaim, readClaim } from '../../state/claims.js'
import { withFreeVfLock } from '../../state/lock.js'
import { readMark, removeMark } from '../../state/marks.js'
import type { AttachmentRecord } from '../../state/record.js'
import { releaseAttachment } from '../give-back/release.js'
import { isOfThisBoot } from '../users/ownership.js'
import { isPodNetns } from '../users/pod-netns.js'
import { awaitTenancy } from '../users/tenancy.js'

/** Whether an attachment is no pod's: its ADD or its release did not come to an end, or the machine has booted since. */
export const isUnfinished = (host: Host, record: AttachmentRecord): boolean =>
  record.phase !== 'attached' || !isOfThisBoot(host, record)

/**
 * Gives back a VF whose record is lost: nobody else would ever. A pod that is alive and has it keeps it, unless the
 * runtime does not know it (`isValid`). A VF that another call is at work on is left to that. A claim that cannot be
 * read and that no record belongs to is removed: nothing can be done by it.
 * @throws PluginError kind `release`
 */
export const repairClaim = (
  host: Host,
  cniDir: string,
  deviceId: PciAddress,
  isValid: (claim: AttachmentRecord) => boolean,
): Promise<void> =>
  withFreeVfLock(host, cniDir, deviceId, async (lock) => {
    const { files, log } = host
    const claim = readClaim(files, cniDir, deviceId)
    if (!claim) {
      removeBrokenClaim(host, cniDir, deviceId)
      return
    }
    if (recordOfClaim(files, cniDir, claim)) {
      return
    }
    if (isValid(claim) && (await awaitTenancy(host, cniDir, claim)) === 'used') {
      const { containerId, ifName } = claim
      log.warning('the record of an attachment is lost; its pod is alive and keeps the VF', {
        containerId,
        ifName,
        deviceId,
      })
      return
    }
    await releaseAttachment(host, cniDir, claim, { lock })
  })

function removeBrokenClaim({ files, log }: Host, cniDir: string, deviceId: PciAddress): void {
  if (hasClaim(files, cniDir, deviceId) && !isMentioned(files, cniDir, deviceId)) {
    log.error('a claim that cannot be read is removed; how its VF was is not known', { deviceId })
    dropClaim(files, cniDir, deviceId)
  }
}

/**
 * Takes the mark of a dead pod away, or one that a power cut emptied, unless a state file speaks of the VF: then a DEL
 * is to come.
 */
export const repairMark = (host: Host, cniDir: string, deviceId: PciAddress): Promise<void> => {
  const { files } = host
  const markOfNobody = (): string | undefined => {
    const mark = readMark(files, cniDir, deviceId)
    const isUsed = mark === undefined || isPodNetns(host, mark) || hasClaim(files, cniDir, deviceId)
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
