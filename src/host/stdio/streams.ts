import { isUtf8 } from 'node:buffer'
import { readSync, writeSync } from 'node:fs'
import type { Streams } from '../../cni/dispatch.js'
import { errnoOf, PluginError } from '../../errors.js'

const STDIN = 0
const STDOUT = 1
const STDERR = 2

/** A configuration rarely has more than a few kilobytes. */
const CHUNK_BYTES = 65_536

/** A GC lists every attachment of a node: a hundred bytes for each. Nothing that a runtime sends is near this. */
const MAX_STDIN_BYTES = 16 * 1024 * 1024

/** Sleeps 1 ms without an event loop: the other end of a non-blocking pipe needs time. */
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)

/** @throws PluginError kind `decode` when the bytes are not UTF-8, or too many, and the errors of Node.js */
function readAll(fd: number): string {
  const chunks: Buffer[] = []
  let size = 0
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let isEnd = false; !isEnd && size <= MAX_STDIN_BYTES; ) {
    try {
      const length = readSync(fd, chunk)
      isEnd = length === 0
      size += length
      chunks.push(Buffer.from(chunk.subarray(0, length)))
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') {
        throw error
      }
      pause()
    }
  }
  if (size > MAX_STDIN_BYTES) {
    throw new PluginError({ kind: 'decode', message: `stdin has more than ${MAX_STDIN_BYTES} bytes` })
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
