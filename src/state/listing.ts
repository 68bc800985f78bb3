/** All records of a folder at once. */
import { NODE_FOLDER } from '../cni/folders.js'
import type { FilePort } from '../host/ports.js'
import { bootedAtMs } from '../node/boot.js'
import type { PciAddress } from '../pci/address.js'
import { recordFolders, type StateFolder } from './folder.js'
import { adopt } from './older/adopt.js'
import { textAt } from './own-file.js'
import type { AttachmentKey, AttachmentRecord } from './record.js'
import { parseRecord } from './record-format.js'

/** How the names of files begin that were set aside. */
export const SET_ASIDE = '.unreadable-'

interface StateFile {
  readonly folder: string
  readonly name: string
  readonly text: string
}

/** Whether a name in the folder can be that of an attachment's state file. */
const isAttachments = (name: string): boolean => !name.startsWith('.') && name !== 'pci'

/** All state files named like attachments, whichever plugin wrote them. */
const stateFiles = (files: FilePort, folder: string): StateFile[] =>
  files.list(folder).flatMap((name) => {
    const text = isAttachments(name) ? textAt(files, `${folder}/${name}`) : undefined
    return typeof text === 'string' ? [{ folder, name, text }] : []
  })

/** Container ID and interface from a file name. Any hyphen may separate them: the file is the same. */
function keyOf({ folder, name }: StateFile): AttachmentKey {
  const hyphen = name.lastIndexOf('-')
  return { containerId: name.slice(0, Math.max(hyphen, 0)), ifName: name.slice(hyphen + 1), folder }
}

const recordsIn = (files: FilePort, some: readonly StateFile[]): AttachmentRecord[] =>
  some.flatMap((file) => {
    const read = parseRecord(file.text)
    if (read.kind === 'go' || read.kind === 'intel') {
      return [adopt(files, keyOf(file), read)]
    }
    return read.kind === 'record' ? [{ ...read.record, folder: file.folder }] : []
  })

/** The state files of this plugin's name that tell nothing: they are damaged, or were set aside. */
export const unreadableFiles = ({ files, path }: StateFolder): readonly { path: string; problem: string }[] =>
  files.list(path).flatMap((name) => {
    const file = `${path}/${name}`
    if (name.startsWith(SET_ASIDE)) {
      return [{ path: file, problem: 'was set aside by a call that could not read it' }]
    }
    const text = isAttachments(name) ? textAt(files, file) : undefined
    const read = typeof text === 'string' ? parseRecord(text) : text
    return read?.kind === 'unreadable' ? [{ path: file, problem: read.problem }] : []
  })

/**
 * The records that a power cut left empty: an ADD was writing them, and had given nothing yet. One of this boot may be of a
 * call that is writing it now. Only in the node's own folder: in another one an empty file may be anybody's. There the
 * next ADD or DEL of the attachment removes it.
 */
export function tornRecords(files: FilePort): readonly string[] {
  const bootedMs = bootedAtMs(files) ?? 0
  return stateFiles(files, NODE_FOLDER)
    .filter((file) => file.text === '' && keyOf(file).containerId !== '')
    .map(({ name }) => `${NODE_FOLDER}/${name}`)
    .filter((path) => (files.factsOf(path)?.changedMs ?? bootedMs) < bootedMs)
}

/** Every record in the state folder, including those of the Go sriov-cni. Unreadable files are left out. */
export const allAttachments = ({ files, path }: StateFolder): AttachmentRecord[] =>
  recordsIn(files, stateFiles(files, path))

const filesAbout = (state: StateFolder, deviceId: PciAddress): StateFile[] =>
  recordFolders(state)
    .flatMap((folder) => stateFiles(state.files, folder))
    .filter(({ text }) => text.includes(deviceId))

/** Every record that names a VF, whoever holds the VF now. Reads all records. */
export const attachmentsOfVf = (state: StateFolder, deviceId: PciAddress): AttachmentRecord[] =>
  recordsIn(state.files, filesAbout(state, deviceId)).filter((record) => record.deviceId === deviceId)

/** Whether any state file mentions a VF, even a file of another plugin. Reads all of them. */
export const isMentioned = (state: StateFolder, deviceId: PciAddress): boolean => filesAbout(state, deviceId).length > 0
