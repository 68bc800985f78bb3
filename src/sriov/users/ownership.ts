import type { Host } from '../../host/ports.js'
import { bootIdOf } from '../../node/boot.js'
import { isInUserspace } from '../../pci/driver.js'
import { recordOfClaim } from '../../state/attachments.js'
import { hasClaim, readClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { attachmentsOfVf } from '../../state/listing.js'
import { readMark } from '../../state/marks.js'
import { type AttachmentRecord, isSameKey } from '../../state/record.js'
import { isPodNetns } from './pod-netns.js'

/** Whether the record was written in this boot. After another boot, what the kernel held for it is gone. */
export const isOfThisBoot = (host: Pick<Host, 'files'>, record: AttachmentRecord): boolean =>
  record.bootId === bootIdOf(host.files)

/**
 * The attachments that have a VF, or had it last. A readable claim names the only one. A mark without a readable claim
 * belongs to another plugin, or to an attachment whose claim was lost; all records are read in that case.
 */
export function holdersOfVf(
  { files, state }: CallHost,
  deviceId: string,
  mark: string | undefined,
): readonly AttachmentRecord[] {
  const claim = readClaim(files, deviceId)
  if (!claim) {
    // intel's plugin 0.x does not mark its VFs. A VF on a user space driver can be one of them.
    const isUnheard = mark === undefined && !hasClaim(files, deviceId) && !isInUserspace(files, deviceId)
    return isUnheard ? [] : attachmentsOfVf(state, deviceId)
  }
  return [recordOfClaim(state, claim) ?? claim]
}

/** Whether a VF now serves another attachment than this record's. It must then be left alone. */
export function belongsToAnother(host: CallHost, record: AttachmentRecord): boolean {
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

/** Names the holder of a VF, for an error message. */
export const holderOf = (record: AttachmentRecord): string =>
  `container ${record.containerId} interface ${record.ifName}${record.netns.path === '' ? '' : ` (${record.netns.path})`}`
