import { lstatSync, type Stats } from 'node:fs'
import { errnoOf } from '../../errors.js'
import type { FileFacts } from '../ports.js'
import { isAbsence } from './whole-files.js'

/** Node.js takes ENOENT for absence, and throws the other errnos that mean it. */
function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (isAbsence(errnoOf(error) ?? '')) {
      return undefined
    }
    throw error
  }
}

/** What lies at a path, links not followed; undefined for nothing. @throws Error of Node.js */
export function factsOf(path: string): FileFacts | undefined {
  const stat = statOf(path)
  return (
    stat && {
      kind: stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : 'other',
      uid: stat.uid,
      isOwn: stat.uid === 0 || stat.uid === process.geteuid?.(),
      mode: stat.mode & 0o7777,
      changedMs: stat.mtimeMs,
    }
  )
}
