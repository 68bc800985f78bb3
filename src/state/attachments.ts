import { PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from '../pci/address.js'
import { type AttachmentRecord, formatRecord, parseRecord, type ReadRecord } from './record.js'

/** Which attachment: the file name of its record. */
export interface AttachmentKey {
  readonly containerId: string
  readonly ifName: string
}

const nameOf = ({ containerId, ifName }: AttachmentKey): string => `${containerId}-${ifName}`

/** The state file of an attachment. */
export const recordPath = (cniDir: string, key: AttachmentKey): string => `${cniDir}/${nameOf(key)}`

const isSameKey = (left: AttachmentKey, right: AttachmentKey): boolean =>
  left.containerId === right.containerId && left.ifName === right.ifName

/**
 * The record of an attachment; undefined when there is none. `a-b` with `c` and `a` with `b-c` share a file name:
 * another attachment's record counts as foreign.
 */
export function loadAttachment(files: FilePort, cniDir: string, key: AttachmentKey): ReadRecord | undefined {
  const text = files.readText(recordPath(cniDir, key))
  const read = text === undefined ? undefined : parseRecord(text)
  return read?.kind === 'record' && !isSameKey(read.record, key)
    ? {
        kind: 'foreign',
        isOtherAttachment: true,
        problem: `belongs to container ${read.record.containerId} interface ${read.record.ifName}`,
      }
    : read
}

function readAll(files: FilePort, cniDir: string, isWorthReading: (text: string) => boolean): AttachmentRecord[] {
  return files.list(cniDir).flatMap((name) => {
    const text = name.startsWith('.') || name === 'pci' ? undefined : files.readText(`${cniDir}/${name}`)
    const read = text !== undefined && isWorthReading(text) ? parseRecord(text) : undefined
    return read?.kind === 'record' ? [read.record] : []
  })
}

/** Every record of ours in the state folder; what cannot be read is left out. */
export const allAttachments = (files: FilePort, cniDir: string): AttachmentRecord[] =>
  readAll(files, cniDir, () => true)

/** Every record of ours that names a VF, whoever holds it now. */
export const attachmentsOfVf = (files: FilePort, cniDir: string, deviceId: PciAddress): AttachmentRecord[] =>
  readAll(files, cniDir, (text) => text.includes(deviceId)).filter((record) => record.deviceId === deviceId)

/**
 * Writes an intent, on the disk when it returns.
 * @throws PluginError kind `alreadyAttached` when another call was first
 */
export function commitIntent(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  if (!files.createDurably(recordPath(cniDir, record), formatRecord(record))) {
    throw new PluginError({ kind: 'alreadyAttached', key: nameOf(record), target: 'a VF' })
  }
}

/** Replaces a record, on the disk when it returns. */
export function commitAttachment(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  files.writeDurably(recordPath(cniDir, record), formatRecord(record))
}

/** Replaces a record where a kill of the process is to be survived, but not a power cut: the kernel's state dies with it. */
export function noteAttachment(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  files.write(recordPath(cniDir, record), formatRecord(record))
}

export function removeAttachment(files: FilePort, cniDir: string, key: AttachmentKey): void {
  files.remove(recordPath(cniDir, key))
}

/** Puts a record that cannot be read out of the way, for a person to look at. Returns its new path. */
export function setAsideAttachment(files: FilePort, cniDir: string, key: AttachmentKey): string {
  const aside = `${cniDir}/.unreadable-${Buffer.from(nameOf(key)).subarray(0, 240)}`
  files.rename(recordPath(cniDir, key), aside)
  return aside
}

/** Removes what killed calls left beside the records and marks: half-written files under temporary names. */
export function tidyStateFolder(files: FilePort, cniDir: string): void {
  files.removeLitter(cniDir)
  files.removeLitter(`${cniDir}/pci`)
}
