import { isUtf8 } from 'node:buffer'
import { readSync, writeSync } from 'node:fs'
import type { Streams } from '../cni/dispatch.js'
import { errnoOf, PluginError } from '../errors.js'

const STDIN = 0
const STDOUT = 1
const STDERR = 2

/** A configuration rarely has more than a few kilobytes. */
const CHUNK_BYTES = 65_536

/** Sleeps 1 ms without an event loop: the other end of a non-blocking pipe needs time. */
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)

/** @throws PluginError kind `decode` when the bytes are not UTF-8, and the errors of Node.js */
function readAll(fd: number): string {
  const chunks: Buffer[] = []
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let isEnd = false; !isEnd; ) {
    try {
      const length = readSync(fd, chunk)
      isEnd = length === 0
      chunks.push(Buffer.from(chunk.subarray(0, length)))
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') {
        throw error
      }
      pause()
    }
  }
  const bytes = Buffer.concat(chunks)
  // Decoding would replace invalid bytes, and the IPAM plugin would get a different configuration.
  if (!isUtf8(bytes)) {
    throw new PluginError({ kind: 'decode', message: 'stdin is not UTF-8' })
  }
  return bytes.toString('utf8')
}

/** Writes everything, and waits where the other end is slow. */
export function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written)
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') {
        throw error
      }
      pause()
    }
  }
}

/** The standard streams of this process. They are synchronous: an answer is out before the process may die. */
export const processStreams: Streams = {
  readStdin: () => readAll(STDIN),
  writeStdout: (text) => writeAll(STDOUT, text),
  writeStderr: (text) => writeAll(STDERR, text),
}
