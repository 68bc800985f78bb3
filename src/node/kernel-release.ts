import { PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'

const RELEASE_PATH = '/proc/sys/kernel/osrelease'
const RELEASE = /^(\d+)\.(\d+)/

/** docs/kernels.md gives the reason. */
const OLDEST = { major: 4, minor: 18 } as const

/**
 * Requires a kernel on which the plugin attaches VFs. A release that cannot be read is accepted.
 * @throws PluginError kind `kernelTooOld`
 */
export function requireSupportedKernel(files: FilePort): void {
  const release = files.readText(RELEASE_PATH)?.trim() ?? ''
  const [, major, minor] = RELEASE.exec(release) ?? []
  const isOlder = Number(major) < OLDEST.major || (Number(major) === OLDEST.major && Number(minor) < OLDEST.minor)
  if (isOlder) {
    throw new PluginError({ kind: 'kernelTooOld', release, oldest: `${OLDEST.major}.${OLDEST.minor}` })
  }
}
