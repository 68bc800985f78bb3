/**
 * A claim is the intent of an attachment a second time, filed by VF: `.vf-<BDF>` in the folder of the node. It answers who
 * uses a VF without reading every record, and gives the VF back when the record is lost or damaged.
 */
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from '../pci/address.js'
import { NODE_FOLDER } from './folder.js'
import { type AttachmentKey, type AttachmentRecord, isSameKey } from './record.js'
import { parseRecord } from './record-format.js'

const PREFIX = '.vf-'

/** The claim on a VF, wherever its record is. */
export const claimPath = (deviceId: PciAddress): string => `${NODE_FOLDER}/${PREFIX}${deviceId}`

/** Whether anybody has a claim on a VF, readable or not. */
export const hasClaim = (files: FilePort, deviceId: PciAddress): boolean => files.exists(claimPath(deviceId))

/** The claim on a VF; undefined when there is none, or none that can be read. */
export function readClaim(files: FilePort, deviceId: PciAddress): AttachmentRecord | undefined {
  const text = files.readText(claimPath(deviceId))
  const read = text === undefined ? undefined : parseRecord(text)
  return read?.kind === 'record' && read.record.deviceId === deviceId ? read.record : undefined
}

/** Every VF that has a claim, readable or not. */
export const claimedVfs = (files: FilePort): readonly PciAddress[] =>
  files.list(NODE_FOLDER).flatMap((name) => (name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []))

/** Every claim in the state folder that can be read. */
const allClaims = (files: FilePort): AttachmentRecord[] =>
  claimedVfs(files).flatMap((deviceId) => {
    const claim = readClaim(files, deviceId)
    return claim ? [claim] : []
  })

/** The claims of one attachment: one, unless a record was lost and the runtime tried again with another VF. */
export const claimsOf = (files: FilePort, key: AttachmentKey): AttachmentRecord[] =>
  allClaims(files).filter((claim) => isSameKey(claim, key))

/** Takes a claim away, whosever it is. */
export const dropClaim = (files: FilePort, deviceId: PciAddress): void => files.remove(claimPath(deviceId))

/** Takes the claim of an attachment away, unless the VF is another's by now. */
export function removeClaim(files: FilePort, record: AttachmentRecord): void {
  const claim = readClaim(files, record.deviceId)
  if (!claim || isSameKey(claim, record)) {
    dropClaim(files, record.deviceId)
  }
}
