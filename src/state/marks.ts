import { NODE_FOLDER } from '../cni/folders.js'
import type { FilePort } from '../host/ports.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import { readOwn } from './own-file.js'

/** The path of the mark of a VF. */
export const markPath = (deviceId: PciAddress): string => `${NODE_FOLDER}/pci/${deviceId}`

/**
 * The netns path of whoever uses a VF. The mark is a file shared with the Go sriov-cni and contains only that path.
 * Empty when a power cut has taken the text; undefined when there is no mark.
 */
export const readMark = (files: FilePort, deviceId: PciAddress): string | undefined =>
  readOwn(files, markPath(deviceId))?.trim()

/** The VFs that have a mark. */
export const markedVfs = (files: FilePort): readonly PciAddress[] =>
  files.list(`${NODE_FOLDER}/pci`).filter((name) => parsePciAddress(name) === name)

/** Marks a VF as used by the pod at `netnsPath`. Survives a kill of this process, not a power cut. */
export function writeMark(files: FilePort, deviceId: PciAddress, netnsPath: string): void {
  files.makeFolder(`${NODE_FOLDER}/pci`)
  files.write(markPath(deviceId), netnsPath)
}

/** Removes the mark of a VF if it has this path or is empty. The mark of another user stays. */
export function removeMark(files: FilePort, deviceId: PciAddress, netnsPath: string): void {
  const mark = readMark(files, deviceId)
  if (mark === netnsPath || mark === '') {
    files.remove(markPath(deviceId))
  }
}
