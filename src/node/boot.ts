import { PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'

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
