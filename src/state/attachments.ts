import { messageOf, PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import type { PciAddress } from '../pci/address.js'
import { claimPath, readClaim, removeClaim } from './claims.js'
import { adoptGoRecord } from './go-record.js'
import { adoptIntelRecord } from './intel-record.js'
import { type AttachmentKey, type AttachmentRecord, isSameKey } from './record.js'
import { formatRecord, parseRecord, type ReadRecord } from './record-format.js'

const nameOf = ({ containerId, ifName }: AttachmentKey): string => `${containerId}-${ifName}`

/** The state file of an attachment. */
export const recordPath = (cniDir: string, key: AttachmentKey): string => `${cniDir}/${nameOf(key)}`

/** What the state file of an attachment turned out to be, once a record of an older plugin counts as ours. */
export type OwnRecord = Exclude<ReadRecord, OlderRecord>

type OlderRecord = Extract<ReadRecord, { kind: 'go' | 'intel' }>

/** A record of another plugin as one of ours. */
const adopt = (files: FilePort, cniDir: string, key: AttachmentKey, { kind, conf, deviceId }: OlderRecord) =>
  kind === 'go' ? adoptGoRecord(files, cniDir, key, conf, deviceId) : adoptIntelRecord(files, key, conf, deviceId)

/**
 * The record of an attachment; undefined when there is none. `a-b` with `c` and `a` with `b-c` share a file name:
 * another attachment's record counts as foreign.
 */
export function loadAttachment(files: FilePort, cniDir: string, key: AttachmentKey): OwnRecord | undefined {
  const text = textAt(files, recordPath(cniDir, key))
  if (text === undefined || typeof text === 'object') {
    return text
  }
  const read = parseRecord(text)
  if (read.kind === 'go' || read.kind === 'intel') {
    return { kind: 'record', record: adopt(files, cniDir, key, read) }
  }
  return read.kind === 'record' && !isSameKey(read.record, key)
    ? {
        kind: 'foreign',
        of: 'attachment',
        problem: `belongs to container ${read.record.containerId} interface ${read.record.ifName}`,
      }
    : read
}

/** The same. @throws PluginError kind `state` when the disk does not give it, which is not to be taken for its absence */
export function loadSurely(files: FilePort, cniDir: string, key: AttachmentKey): OwnRecord | undefined {
  const read = loadAttachment(files, cniDir, key)
  if (read?.kind === 'unreadable' && read.isUnsure) {
    throw new PluginError({ kind: 'state', path: recordPath(cniDir, key), problem: read.problem })
  }
  return read
}

/** The text of a state file; one that the disk does not give counts as unreadable. */
function textAt(files: FilePort, path: string): string | Extract<ReadRecord, { kind: 'unreadable' }> | undefined {
  try {
    return files.readText(path)
  } catch (error) {
    return { kind: 'unreadable', problem: messageOf(error), isUnsure: true }
  }
}

interface StateFile {
  readonly name: string
  readonly text: string
}

/** All state files under the names of attachments, whichever plugin wrote them. */
const stateFiles = (files: FilePort, cniDir: string): StateFile[] =>
  files.list(cniDir).flatMap((name) => {
    const text = name.startsWith('.') || name === 'pci' ? undefined : textAt(files, `${cniDir}/${name}`)
    return typeof text === 'string' ? [{ name, text }] : []
  })

/** Container ID and interface from a file name: which hyphen parts them does not matter, the file is the same. */
function keyOf(name: string): AttachmentKey {
  const hyphen = name.lastIndexOf('-')
  return { containerId: name.slice(0, Math.max(hyphen, 0)), ifName: name.slice(hyphen + 1) }
}

const recordsIn = (files: FilePort, cniDir: string, some: readonly StateFile[]): AttachmentRecord[] =>
  some.flatMap(({ name, text }) => {
    const read = parseRecord(text)
    if (read.kind === 'go' || read.kind === 'intel') {
      return [adopt(files, cniDir, keyOf(name), read)]
    }
    return read.kind === 'record' ? [read.record] : []
  })

/** Every record in the state folder, the Go sriov-cni's included; what cannot be read is left out. */
export const allAttachments = (files: FilePort, cniDir: string): AttachmentRecord[] =>
  recordsIn(files, cniDir, stateFiles(files, cniDir))

const filesAbout = (files: FilePort, cniDir: string, deviceId: PciAddress): StateFile[] =>
  stateFiles(files, cniDir).filter(({ text }) => text.includes(deviceId))

/** Every record that names a VF, whoever holds it now: reads all records. */
export const attachmentsOfVf = (files: FilePort, cniDir: string, deviceId: PciAddress): AttachmentRecord[] =>
  recordsIn(files, cniDir, filesAbout(files, cniDir, deviceId)).filter((record) => record.deviceId === deviceId)

/** Whether any state file, of another plugin even, speaks of a VF: reads all of them. */
export const isMentioned = (files: FilePort, cniDir: string, deviceId: PciAddress): boolean =>
  filesAbout(files, cniDir, deviceId).length > 0

/** Whether two attachments have the same state file. */
export const isSameFile = (left: AttachmentKey, right: AttachmentKey): boolean => nameOf(left) === nameOf(right)

/**
 * The record that belongs to a claim; undefined when it is lost, or names another VF by now.
 * @throws PluginError kind `state` when the disk does not give it, which is not to be taken for its loss
 */
export function recordOfClaim(files: FilePort, cniDir: string, claim: AttachmentRecord): AttachmentRecord | undefined {
  const read = loadSurely(files, cniDir, claim)
  return read?.kind === 'record' && read.record.deviceId === claim.deviceId ? read.record : undefined
}

/** Takes back what a commitIntent() that failed may have written; what is left even so, the next call undoes. */
function withdrawIntent(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  try {
    if (recordOfClaim(files, cniDir, record)?.phase === 'intent') {
      removeAttachment(files, cniDir, record)
    }
    const claim = readClaim(files, cniDir, record.deviceId)
    if (claim && isSameKey(claim, record)) {
      removeClaim(files, cniDir, record)
    }
  } catch {
    // The disk refuses this too: the first refusal is the one to tell.
  }
}

/**
 * Writes an intent and its claim on the VF, on the disk when it returns. The caller holds the lock of the VF.
 * @throws PluginError kind `alreadyAttached` when another call was first
 */
export function commitIntent(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  let isNew: boolean
  try {
    isNew = files.createDurably(recordPath(cniDir, record), formatRecord(record), claimPath(cniDir, record.deviceId))
  } catch (error) {
    withdrawIntent(files, cniDir, record)
    throw error
  }
  if (!isNew) {
    throw new PluginError({ kind: 'alreadyAttached', key: nameOf(record), target: 'a VF' })
  }
}

/** Replaces a record, on the disk when it returns. */
export function commitAttachment(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  files.writeDurably(recordPath(cniDir, record), formatRecord(record))
}

/** Whether a state file says nothing of its attachment: where there is a claim, the claim says it. */
const isSpoilt = (read: OwnRecord | undefined): boolean =>
  read?.kind === 'unreadable' || (read?.kind === 'foreign' && read.of === 'plugin')

/** Whether a write or a removal would hit the record of another attachment, or of another VF of this one. */
function isAnothers(files: FilePort, cniDir: string, { deviceId, ...key }: AttachmentRecord): boolean {
  const read = loadAttachment(files, cniDir, key)
  return read?.kind === 'record' ? read.record.deviceId !== deviceId : read !== undefined && !isSpoilt(read)
}

/** Replaces a record and its claim; after a power cut each is the old one or this one. */
export function noteAttachment(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  if (!isAnothers(files, cniDir, record)) {
    files.writeWhole(recordPath(cniDir, record), formatRecord(record), claimPath(cniDir, record.deviceId))
  }
}

/** Writes a record again that was lost or damaged, unless the attachment has one of another VF by now. */
export function restoreRecord(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  const [path, claim] = [recordPath(cniDir, record), claimPath(cniDir, record.deviceId)]
  const isNew = files.createDurably(path, formatRecord(record), claim)
  if (!isNew && isSpoilt(loadAttachment(files, cniDir, record))) {
    files.writeWhole(path, formatRecord(record), claim)
  }
}

/** Removes the record of an attachment, readable or not; that of another one, or of another VF, stays. */
export function removeAttachment(files: FilePort, cniDir: string, record: AttachmentRecord): void {
  if (!isAnothers(files, cniDir, record)) {
    files.remove(recordPath(cniDir, record))
  }
}

/** Puts a record that cannot be read out of the way, for a person to look at. Returns its new path. */
export function setAsideAttachment(files: FilePort, cniDir: string, key: AttachmentKey): string {
  if (loadAttachment(files, cniDir, key)?.kind !== 'unreadable') {
    throw new PluginError({ kind: 'tryAgain', message: `another call has just written ${recordPath(cniDir, key)}` })
  }
  const aside = `${cniDir}/.unreadable-${Buffer.from(nameOf(key)).subarray(0, 240)}`
  files.rename(recordPath(cniDir, key), aside)
  return aside
}

/** Removes what killed calls left beside the records and marks: half-written files under temporary names. */
export function tidyStateFolder(files: FilePort, cniDir: string): void {
  files.removeLitter(cniDir)
  files.removeLitter(`${cniDir}/pci`)
}
