import { PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'

/** When the machine booted, in milliseconds since 1970 by the clock of now (`btime`, proc_stat(5)). */
export function bootedAtMs(files: FilePort): number | undefined {
  const seconds = /^btime (\d+)$/m.exec(files.readText('/proc/stat') ?? '')?.[1]
  return seconds === undefined ? undefined : Number(seconds) * 1_000
}

/**
 * The ID of the machine's current boot (random(4)).
 * @throws PluginError kind `state` when it is missing: every record would seem to come from another boot
 */
export function bootIdOf(files: FilePort): string {
  const id = files.readText(BOOT_ID_PATH)?.trim() ?? ''
  if (id === '') {
    throw new PluginError({ kind: 'state', path: BOOT_ID_PATH, problem: 'is missing or empty' })
  }
  return id
}
