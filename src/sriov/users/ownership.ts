import type { Host } from '../../host/ports.js'
import { bootIdOf } from '../../node/boot.js'
import { isUserspaceDriver } from '../../pci/driver.js'
import { driverOf, netdevsOf } from '../../pci/functions.js'
import { openRtnl } from '../../rtnl/connection.js'
import { attachmentsOfVf, recordOfClaim } from '../../state/attachments.js'
import { hasClaim, readClaim } from '../../state/claims.js'
import { readMark } from '../../state/marks.js'
import { type AttachmentRecord, isSameKey } from '../../state/record.js'
import { findNetdev, traceOf } from '../netdev/move.js'
import { usersOfFunction } from './function-users.js'
import { isPodNetns, openRecordedNetns, searchRecordedNetns } from './pod-netns.js'

/** Whether the record is of this boot: what the kernel held of it is gone after another. */
export const isOfThisBoot = (host: Pick<Host, 'files'>, record: AttachmentRecord): boolean =>
  record.bootId === bootIdOf(host.files)

/** Whether the namespace of a record, its path having gone, still has the VF: a process lives on in it. */
async function isHeldWithoutPath(host: Host, record: AttachmentRecord): Promise<boolean> {
  if (record.dpdk) {
    // A plugin that kept no path leaves no way to tell: the pod counts as alive until its DEL.
    return record.netns.path === '' || usersOfFunction(host.files, record.deviceId).length > 0
  }
  if (netdevsOf(host.files, record.deviceId).length > 0) {
    return false
  }
  const netns = searchRecordedNetns(host, record)
  if (!netns) {
    return false
  }
  try {
    const rtnl = openRtnl(host, netns)
    try {
      return (await findNetdev(rtnl, traceOf(record))) !== undefined
    } finally {
      rtnl.close()
    }
  } finally {
    netns.close()
  }
}

/** Whether the pod of a record is still there: same boot, and its namespace stands. */
export async function isAlive(host: Host, record: AttachmentRecord): Promise<boolean> {
  if (!isOfThisBoot(host, record)) {
    return false
  }
  const netns = openRecordedNetns(host, record)
  netns?.close()
  return netns !== undefined || isHeldWithoutPath(host, record)
}

/**
 * Whether an attachment is in use: its ADD came to its end, nobody has begun to give it back, and its pod is alive. Of
 * one whose record is lost nobody knows how far it came: it is in use while its pod is alive and has the VF.
 */
export async function isInUse(host: Host, cniDir: string, record: AttachmentRecord): Promise<boolean> {
  const isComplete =
    record.phase === 'attached' ||
    (record.phase === 'intent' &&
      !recordOfClaim(host.files, cniDir, record) &&
      netdevsOf(host.files, record.deviceId).length === 0)
  return isComplete && (await isAlive(host, record))
}

/**
 * The attachments that have a VF, or had it last: the one that claims it. A mark without a claim that can be read is of
 * another plugin, or of an attachment whose claim was lost: all records are read then.
 */
export function holdersOfVf(
  { files }: Host,
  cniDir: string,
  deviceId: string,
  mark: string | undefined,
): readonly AttachmentRecord[] {
  const claim = readClaim(files, cniDir, deviceId)
  if (!claim) {
    // intel's plugin 0.x marks no VF: one that is on a driver of user space may be its.
    const isUnheard =
      mark === undefined && !hasClaim(files, cniDir, deviceId) && !isUserspaceDriver(driverOf(files, deviceId) ?? '')
    return isUnheard ? [] : attachmentsOfVf(files, cniDir, deviceId)
  }
  return [recordOfClaim(files, cniDir, claim) ?? claim]
}

/** Whether a VF serves another attachment than this record's by now: it must be left alone then. */
export function belongsToAnother(host: Host, cniDir: string, record: AttachmentRecord): boolean {
  const { files } = host
  const mark = readMark(files, cniDir, record.deviceId)
  if (mark !== undefined && mark !== record.netns.path && isPodNetns(host, mark)) {
    return true
  }
  const claim = readClaim(files, cniDir, record.deviceId)
  return claim
    ? !isSameKey(claim, record)
    : attachmentsOfVf(files, cniDir, record.deviceId).some(
        (other) => other.phase === 'attached' && !isSameKey(other, record),
      )
}

/** Who holds a VF, for an error message. */
export const holderOf = (record: AttachmentRecord): string =>
  `container ${record.containerId} interface ${record.ifName}${record.netns.path === '' ? '' : ` (${record.netns.path})`}`
