import { NODE_FOLDER } from '../cni/folders.js'
import { PluginError } from '../errors.js'
import type { Written } from '../host/ports.js'
import { claimPath, hasClaim, readClaim, removeClaim } from './claims.js'
import { recordFolders, type StateFolder } from './folder.js'
import { SET_ASIDE } from './listing.js'
import { adopt, type OlderRecord } from './older/adopt.js'
import { textAt } from './own-file.js'
import { type AttachmentKey, type AttachmentRecord, isSameKey } from './record.js'
import { formatRecord, parseRecord, type ReadRecord } from './record-format.js'

const nameOf = ({ containerId, ifName }: AttachmentKey): string => `${containerId}-${ifName}`

/** The path of the state file of an attachment. */
export const recordPath = ({ path }: StateFolder, key: AttachmentKey): string => `${key.folder ?? path}/${nameOf(key)}`

/** What the state file of an attachment contains. A record of an older plugin counts as ours. */
export type OwnRecord = Exclude<ReadRecord, OlderRecord>

/**
 * The record of an attachment; undefined when there is none. `a-b` with `c` and `a` with `b-c` share a file name, so
 * the file may hold another attachment's record: it counts as foreign.
 */
export function loadAttachment(state: StateFolder, key: AttachmentKey): OwnRecord | undefined {
  const { containerId, ifName, folder = state.path } = key
  const text = textAt(state.files, recordPath(state, key))
  if (text === undefined || typeof text === 'object') {
    return text
  }
  const read = parseRecord(text)
  if (read.kind === 'go' || read.kind === 'intel') {
    return { kind: 'record', record: adopt(state.files, { containerId, ifName, folder }, read) }
  }
  if (read.kind !== 'record') {
    return read
  }
  return isSameKey(read.record, key)
    ? { kind: 'record', record: { ...read.record, folder } }
    : {
        kind: 'foreign',
        of: 'attachment',
        problem: `belongs to container ${read.record.containerId} interface ${read.record.ifName}`,
      }
}

/**
 * The record of an attachment; undefined when there surely is none.
 * @throws PluginError kind `state` when the disk does not give it: this does not mean that there is none
 */
export function loadSurely(state: StateFolder, key: AttachmentKey): OwnRecord | undefined {
  const read = loadAttachment(state, key)
  if (read?.kind === 'unreadable' && read.isUnsure) {
    throw new PluginError({ kind: 'state', path: recordPath(state, key), problem: read.problem })
  }
  return read
}

/** Whether two attachments have the same state file. */
export const isSameFile = (left: AttachmentKey, right: AttachmentKey): boolean => nameOf(left) === nameOf(right)

/**
 * The record that belongs to a claim; undefined when it is lost, or names another VF by now.
 * @throws PluginError kind `state` when the disk does not give it: this does not mean that it is lost
 */
export function recordOfClaim(state: StateFolder, claim: AttachmentRecord): AttachmentRecord | undefined {
  const read = loadSurely(state, claim)
  return read?.kind === 'record' && read.record.deviceId === claim.deviceId ? read.record : undefined
}

/** Removes what a failed commitIntent() may have written. The next call undoes whatever remains. */
function withdrawIntent(state: StateFolder, record: AttachmentRecord): void {
  try {
    if (recordOfClaim(state, record)?.phase === 'intent') {
      removeAttachment(state, record)
    }
    const claim = readClaim(state.files, record.deviceId)
    if (claim && isSameKey(claim, record)) {
      removeClaim(state.files, record)
    }
  } catch {
    // The disk refuses this, too. Only the first error is reported.
  }
}

/** Writes a new record and its claim. Undefined when a record exists. */
function createRecord({ files, path: folder }: StateFolder, record: AttachmentRecord): Written | undefined {
  const path = recordPath({ files, path: folder }, record)
  const [claim, text] = [claimPath(record.deviceId), formatRecord(record)]
  const isInNodeFolder = (record.folder ?? folder) === NODE_FOLDER
  const written = files.createDurably(path, text, isInNodeFolder ? claim : undefined)
  // Whoever waits for it meets its error; not everybody comes to that.
  written?.onDisk.catch(() => undefined)
  if (!written || isInNodeFolder) {
    return written
  }
  files.write(claim, text)
  // Synced, not written again: by then the ADD may have been undone, and the VF be another attachment's.
  const onDisk = written.onDisk.then(() => files.sync(claim))
  onDisk.catch(() => undefined)
  return { onDisk }
}

/**
 * Replaces a claim, then its record: a record that says `releasing` without a claim would tell that the VF is back. After
 * a power cut each is the old one or the new one.
 */
async function writeRecord(state: StateFolder, record: AttachmentRecord): Promise<void> {
  const { files } = state
  const [path, claim, text] = [recordPath(state, record), claimPath(record.deviceId), formatRecord(record)]
  if ((record.folder ?? state.path) === NODE_FOLDER) {
    await files.writeWhole(path, text, claim)
  } else {
    await files.writeDurably(claim, text)
    await files.writeDurably(path, text)
  }
}

/**
 * Writes an intent and its claim on the VF, in their places on return: whoever meets them after a kill undoes them. The
 * caller holds the lock of the VF, and waits for `onDisk` before there can be anything that outlives a power cut: a lease,
 * an answer.
 * @throws PluginError kind `alreadyAttached` when another call was first
 */
export function commitIntent(state: StateFolder, record: AttachmentRecord): Written {
  let written: Written | undefined
  try {
    state.files.makeFolder(record.folder ?? state.path)
    written = createRecord(state, record)
  } catch (error) {
    withdrawIntent(state, record)
    throw error
  }
  if (!written) {
    throw new PluginError({ kind: 'alreadyAttached', key: nameOf(record), target: 'a VF' })
  }
  return written
}

/** Replaces a record; it is on the disk when the promise resolves. */
export const commitAttachment = (state: StateFolder, record: AttachmentRecord): Promise<void> =>
  state.files.writeDurably(recordPath(state, record), formatRecord(record))

/** A record that is on the disk, but not in its place. */
export interface PreparedRecord extends Disposable {
  /** Puts it into its place if it is still the right one; writes `record` otherwise. It is on the disk then. */
  commit(record: AttachmentRecord): Promise<void>
}

/** Does all of commitAttachment() that takes long for a record as it will probably be. */
export async function prepareAttachment(state: StateFolder, likely: AttachmentRecord): Promise<PreparedRecord> {
  const text = formatRecord(likely)
  const prepared = await state.files.prepare(recordPath(state, likely), text)
  return {
    commit: (record) => (formatRecord(record) === text ? prepared.place() : commitAttachment(state, record)),
    [Symbol.dispose]: () => prepared[Symbol.dispose](),
  }
}

/** Whether a state file tells nothing about its attachment. A claim, if there is one, tells it instead. */
const isSpoilt = (read: OwnRecord | undefined): boolean =>
  read?.kind === 'unreadable' || (read?.kind === 'foreign' && read.of === 'plugin')

/** Whether a write or a removal would hit a record of another attachment, or of this attachment with another VF. */
function isAnothers(state: StateFolder, { deviceId, ...key }: AttachmentRecord): boolean {
  const read = loadAttachment(state, key)
  return read?.kind === 'record' ? read.record.deviceId !== deviceId : read !== undefined && !isSpoilt(read)
}

/**
 * Replaces a record and its claim, unless the state file has the record of another attachment or VF. After a power cut
 * each is the old one or the new one.
 */
export async function noteAttachment(state: StateFolder, record: AttachmentRecord): Promise<void> {
  if (!isAnothers(state, record)) {
    await writeRecord(state, record)
  }
}

/**
 * The same without a wait for the disk, where the claim of the attachment tells enough if a power cut takes the record:
 * syncAttachment() comes before the claim is removed. `isOwn` says that the state file has the record of this attachment.
 */
export async function noteInPassing(state: StateFolder, record: AttachmentRecord, isOwn: boolean): Promise<void> {
  if (!hasClaim(state.files, record.deviceId)) {
    await noteAttachment(state, record)
  } else if (isOwn || !isAnothers(state, record)) {
    state.files.write(recordPath(state, record), formatRecord(record))
  }
}

/** Brings a record to the disk. One that is not there needs no sync. @throws PluginError kind `state` */
export async function syncAttachment({ files, path }: StateFolder, record: AttachmentRecord): Promise<void> {
  const file = recordPath({ files, path }, record)
  if (files.exists(file)) {
    await files.sync(file)
  }
}

/** Writes a lost or damaged record again, unless the attachment has a record of another VF by now. */
export async function restoreRecord(state: StateFolder, record: AttachmentRecord): Promise<void> {
  const written = createRecord(state, record)
  await written?.onDisk
  if (!written && isSpoilt(loadAttachment(state, record))) {
    await writeRecord(state, record)
  }
}

/**
 * Removes the record of an attachment, readable or not. A record of another attachment or VF stays; `isOwn` skips this
 * check.
 */
export function removeAttachment(state: StateFolder, record: AttachmentRecord, isOwn = false): void {
  if (isOwn || !isAnothers(state, record)) {
    state.files.remove(recordPath(state, record))
  }
}

/**
 * Renames an unreadable record, so that a person can look at it, and returns its new path. Removes an empty one: a power
 * cut came while an ADD wrote it, before anything was given.
 * @throws PluginError kind `tryAgain` when another call has just written it
 */
export function setAsideAttachment(state: StateFolder, key: AttachmentKey): string | undefined {
  if (textAt(state.files, recordPath(state, key)) === '') {
    state.files.remove(recordPath(state, key))
    return undefined
  }
  if (loadAttachment(state, key)?.kind !== 'unreadable') {
    throw new PluginError({ kind: 'tryAgain', message: `another call has just written ${recordPath(state, key)}` })
  }
  const aside = `${key.folder ?? state.path}/${SET_ASIDE}${Buffer.from(nameOf(key)).subarray(0, 240)}`
  state.files.rename(recordPath(state, key), aside)
  return aside
}

/** Removes the temporary files that killed calls left beside the records and marks. */
export function tidyStateFolder(state: StateFolder): void {
  for (const folder of [...recordFolders(state), `${NODE_FOLDER}/pci`]) {
    state.files.removeLitter(folder)
  }
}
