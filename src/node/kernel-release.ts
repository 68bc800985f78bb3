import { PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'

const RELEASE_PATH = '/proc/sys/kernel/osrelease'
const RELEASE = /^(\d+)\.(\d+)/

/** docs/kernels.md gives the reason. */
const OLDEST = { major: 4, minor: 18 } as const

/** What younger kernels have and the plugin does without (docs/kernels.md). */
const FEATURES: readonly (readonly [major: number, minor: number, what: string])[] = [
  [5, 5, 'alternative names of interfaces'],
  [5, 14, 'the device behind an interface; its driver is asked instead'],
]

const isBefore = (release: string, major: number, minor: number): boolean => {
  const [, ownMajor, ownMinor] = RELEASE.exec(release) ?? []
  return Number(ownMajor) < major || (Number(ownMajor) === major && Number(ownMinor) < minor)
}

/** What this kernel is too old for, in words: `alternative names of interfaces (5.5)`. */
export function missingFeatures(files: FilePort): readonly string[] {
  const release = files.readText(RELEASE_PATH)?.trim() ?? ''
  return FEATURES.filter(([major, minor]) => isBefore(release, major, minor)).map(
    ([major, minor, what]) => `${what} (${major}.${minor})`,
  )
}

/**
 * Requires a kernel on which the plugin attaches VFs. A release that cannot be read is accepted.
 * @throws PluginError kind `kernelTooOld`
 */
export function requireSupportedKernel(files: FilePort): void {
  const release = files.readText(RELEASE_PATH)?.trim() ?? ''
  if (isBefore(release, OLDEST.major, OLDEST.minor)) {
    throw new PluginError({ kind: 'kernelTooOld', release, oldest: `${OLDEST.major}.${OLDEST.minor}` })
  }
}
