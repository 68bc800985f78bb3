import { PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'

/**
 * Which boot of the machine this is (random(4)).
 * @throws PluginError kind `state` when it does not say: every record would count as another boot's
 */
export function bootIdOf(files: FilePort): string {
  const id = files.readText(BOOT_ID_PATH)?.trim() ?? ''
  if (id === '') {
    throw new PluginError({ kind: 'state', path: BOOT_ID_PATH, problem: 'is missing or empty' })
  }
  return id
}
