import type { FilePort } from '../host/ports.js'

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'

/** Which boot of the machine this is (random(4)). */
export const bootIdOf = (files: FilePort): string => files.readText(BOOT_ID_PATH)?.trim() ?? ''
