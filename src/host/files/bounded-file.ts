/** Files that grow line by line up to a size. */
import { closeSync, constants, fstatSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import type { AppendLimits } from '../ports.js'

const FILE_MODE = 0o600
const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * Appends a text in one write(2), so that lines of several processes do not mix. A link is not followed, and a file with a
 * second name or of another user is left alone.
 * @throws Error of Node.js
 */
export function appendBounded(path: string, text: string, { maxBytes, fullTo }: AppendLimits): void {
  const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, FILE_MODE)
  let isFull: boolean
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() || stat.nlink !== 1 || stat.uid !== process.geteuid?.()) {
      throw new Error('it is no regular file of ours with one name')
    }
    writeSync(fd, text)
    isFull = stat.size + text.length > maxBytes
  } finally {
    closeSync(fd)
  }
  // Another process may have begun a new file meanwhile.
  if (isFull && statSync(path).size > maxBytes) {
    renameSync(path, fullTo)
  }
}
