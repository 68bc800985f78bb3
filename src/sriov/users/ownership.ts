import type { Host } from '../../host/ports.js'
import { bootIdOf } from '../../node/boot.js'
import { isInUserspace } from '../../pci/driver.js'
import { attachmentsOfVf, recordOfClaim } from '../../state/attachments.js'
import { hasClaim, readClaim } from '../../state/claims.js'
import type { HostWithState } from '../../state/folder.js'
import { readMark } from '../../state/marks.js'
import { type AttachmentRecord, isSameKey } from '../../state/record.js'
import { isPodNetns } from './pod-netns.js'

/** Whether the record is of this boot: what the kernel held of it is gone after another. */
export const isOfThisBoot = (host: Pick<Host, 'files'>, record: AttachmentRecord): boolean =>
  record.bootId === bootIdOf(host.files)

/**
 * The attachments that have a VF, or had it last: the one that claims it. A mark without a claim that can be read is of
 * another plugin, or of an attachment whose claim was lost: all records are read then.
 */
export function holdersOfVf(
  { files, state }: HostWithState,
  deviceId: string,
  mark: string | undefined,
): readonly AttachmentRecord[] {
  const claim = readClaim(files, deviceId)
  if (!claim) {
    // intel's plugin 0.x marks no VF: one that is on a driver of user space may be its.
    const isUnheard = mark === undefined && !hasClaim(files, deviceId) && !isInUserspace(files, deviceId)
    return isUnheard ? [] : attachmentsOfVf(state, deviceId)
  }
  return [recordOfClaim(state, claim) ?? claim]
}

/** Whether a VF serves another attachment than this record's by now: it must be left alone then. */
export function belongsToAnother(host: HostWithState, record: AttachmentRecord): boolean {
  const { files, state } = host
  const mark = readMark(files, record.deviceId)
  if (mark !== undefined && mark !== record.netns.path && isPodNetns(host, mark)) {
    return true
  }
  const claim = readClaim(files, record.deviceId)
  return claim
    ? !isSameKey(claim, record)
    : attachmentsOfVf(state, record.deviceId).some((other) => other.phase === 'attached' && !isSameKey(other, record))
}

/** Who holds a VF, for an error message. */
export const holderOf = (record: AttachmentRecord): string =>
  `container ${record.containerId} interface ${record.ifName}${record.netns.path === '' ? '' : ` (${record.netns.path})`}`
