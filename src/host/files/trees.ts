import { rmdirSync, rmSync } from 'node:fs'
import { errnoOf } from '../../errors.js'

/** Removes a file, or a folder with what is in it; a link itself. Absence is fine. @throws Error of Node.js */
export const removeTree = (path: string): void => rmSync(path, { recursive: true, force: true })

/** Removes a folder that has nothing in it. Any other stays. */
export function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'ENOTDIR', 'EBUSY'].includes(errnoOf(error) ?? '')) {
      throw error
    }
  }
}
