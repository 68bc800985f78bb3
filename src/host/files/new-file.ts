import { closeSync, openSync, writeSync } from 'node:fs'

/** Writes a file that only we can read. It must not exist yet. @throws Error of Node.js */
export function writeNewFile(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(fd, bytes, written)
    }
  } finally {
    closeSync(fd)
  }
}
