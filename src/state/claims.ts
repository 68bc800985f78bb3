/**
 * A claim is a second copy of an attachment's intent, filed by VF: `.vf-<BDF>` in the node's folder. It tells who uses
 * a VF without a read of every record, and lets the VF be given back when the record is lost or damaged.
 */

import { NODE_FOLDER } from '../cni/folders.js'
import { messageOf } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from '../pci/address.js'
import { readOwn } from './own-file.js'
import { type AttachmentKey, type AttachmentRecord, isSameKey } from './record.js'
import { parseRecord } from './record-format.js'

const PREFIX = '.vf-'

/** The path of the claim on a VF. It does not depend on where the record is. */
export const claimPath = (deviceId: PciAddress): string => `${NODE_FOLDER}/${PREFIX}${deviceId}`

/** Whether a path is that of a claim. */
export const isClaim = (path: string): boolean => path.startsWith(`${NODE_FOLDER}/${PREFIX}`)

/** Whether a VF has a claim, readable or not. */
export const hasClaim = (files: FilePort, deviceId: PciAddress): boolean => files.exists(claimPath(deviceId))

/** The claim on a VF; undefined when there is none, or it is damaged. */
export function readClaim(files: FilePort, deviceId: PciAddress): AttachmentRecord | undefined {
  const text = readOwn(files, claimPath(deviceId))
  const read = text === undefined ? undefined : parseRecord(text)
  return read?.kind === 'record' && read.record.deviceId === deviceId ? read.record : undefined
}

/** The claim on a VF as it is written, to see whether it changes; undefined when there is none. */
export const claimTextOf = (files: FilePort, deviceId: PciAddress): string | undefined =>
  files.readText(claimPath(deviceId))

/** Every VF that has a claim, readable or not. */
export const claimedVfs = (files: FilePort): readonly PciAddress[] =>
  files.list(NODE_FOLDER).flatMap((name) => (name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []))

/** The claims that cannot be read or understood, with the reason. */
export const brokenClaims = (files: FilePort): { readonly deviceId: PciAddress; readonly problem: string }[] =>
  claimedVfs(files).flatMap((deviceId) => {
    try {
      return readClaim(files, deviceId) ? [] : [{ deviceId, problem: 'cannot be understood' }]
    } catch (error) {
      return [{ deviceId, problem: messageOf(error) }]
    }
  })

const allClaims = (files: FilePort): AttachmentRecord[] =>
  claimedVfs(files).flatMap((deviceId) => {
    try {
      const claim = readClaim(files, deviceId)
      return claim ? [claim] : []
    } catch {
      // One that cannot be read concerns its VF, and nobody else.
      return []
    }
  })

/** The claims of one attachment. It has several if a record was lost and the runtime tried again with another VF. */
export const claimsOf = (files: FilePort, key: AttachmentKey): AttachmentRecord[] =>
  allClaims(files).filter((claim) => isSameKey(claim, key))

/** Removes the claim on a VF, whoever made it. */
export const dropClaim = (files: FilePort, deviceId: PciAddress): void => files.remove(claimPath(deviceId))

/** Removes the claim of an attachment, unless another attachment has the VF by now. */
export function removeClaim(files: FilePort, record: AttachmentRecord): void {
  const claim = readClaim(files, record.deviceId)
  if (!claim || isSameKey(claim, record)) {
    dropClaim(files, record.deviceId)
  }
}
