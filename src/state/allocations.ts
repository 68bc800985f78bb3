import type { FilePort } from '../host/ports.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'

const markPath = (cniDir: string, deviceId: PciAddress): string => `${cniDir}/pci/${deviceId}`

/** The netns path of whoever uses a VF: a file shared with the Go sriov-cni, the path and nothing else. */
export function readMark(files: FilePort, cniDir: string, deviceId: PciAddress): string | undefined {
  const path = files.readText(markPath(cniDir, deviceId))?.trim()
  return path === '' ? undefined : path
}

/** The VFs that are marked. */
export const markedVfs = (files: FilePort, cniDir: string): readonly PciAddress[] =>
  files.list(`${cniDir}/pci`).filter((name) => parsePciAddress(name) === name)

export function writeMark(files: FilePort, cniDir: string, deviceId: PciAddress, netnsPath: string): void {
  files.makeFolder(`${cniDir}/pci`)
  files.write(markPath(cniDir, deviceId), netnsPath)
}

/** Takes a mark away, unless it is another user's by now. */
export function removeMark(files: FilePort, cniDir: string, deviceId: PciAddress, netnsPath: string): void {
  if (readMark(files, cniDir, deviceId) === netnsPath) {
    files.remove(markPath(cniDir, deviceId))
  }
}
