import type { FilePort } from '../host/ports.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import { NODE_FOLDER } from './folder.js'

/** The mark of a VF. */
export const markPath = (deviceId: PciAddress): string => `${NODE_FOLDER}/pci/${deviceId}`

/**
 * The netns path of whoever uses a VF: a file shared with the Go sriov-cni, the path and nothing else. Empty where a
 * power cut has taken the text; undefined where there is no mark.
 */
export const readMark = (files: FilePort, deviceId: PciAddress): string | undefined =>
  files.readText(markPath(deviceId))?.trim()

/** The VFs that are marked. */
export const markedVfs = (files: FilePort): readonly PciAddress[] =>
  files.list(`${NODE_FOLDER}/pci`).filter((name) => parsePciAddress(name) === name)

export function writeMark(files: FilePort, deviceId: PciAddress, netnsPath: string): void {
  files.makeFolder(`${NODE_FOLDER}/pci`)
  files.write(markPath(deviceId), netnsPath)
}

/** Takes a mark away, an empty one too, unless it is another user's by now. */
export function removeMark(files: FilePort, deviceId: PciAddress, netnsPath: string): void {
  const mark = readMark(files, deviceId)
  if (mark === netnsPath || mark === '') {
    files.remove(markPath(deviceId))
  }
}
