import type { FilePort } from '../host/ports.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'

const markPath = (cniDir: string, deviceId: PciAddress): string => `${cniDir}/pci/${deviceId}`

/**
 * The netns path of whoever uses a VF: a file shared with the Go sriov-cni, the path and nothing else. Empty where a
 * power cut has taken the text; undefined where there is no mark.
 */
export const readMark = (files: FilePort, cniDir: string, deviceId: PciAddress): string | undefined =>
  files.readText(markPath(cniDir, deviceId))?.trim()

/** The VFs that are marked. */
export const markedVfs = (files: FilePort, cniDir: string): readonly PciAddress[] =>
  files.list(`${cniDir}/pci`).filter((name) => parsePciAddress(name) === name)

export function writeMark(files: FilePort, cniDir: string, deviceId: PciAddress, netnsPath: string): void {
  files.makeFolder(`${cniDir}/pci`)
  files.write(markPath(cniDir, deviceId), netnsPath)
}

/** Takes a mark away, an empty one too, unless it is another user's by now. */
export function removeMark(files: FilePort, cniDir: string, deviceId: PciAddress, netnsPath: string): void {
  const mark = readMark(files, cniDir, deviceId)
  if (mark === netnsPath || mark === '') {
    files.remove(markPath(cniDir, deviceId))
  }
}
