import { readFileSync, writeSync } from 'node:fs'
import type { Streams } from '../cni/dispatch.js'
import { errnoOf } from '../errors.js'

const STDIN = 0
const STDOUT = 1
const STDERR = 2

/** Waits a little without an event loop: the reader of a full non-blocking pipe needs time. */
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)

function writeAll(fd: number, text: string): void {
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

/** The standard streams of this process, synchronously: an answer is out before the process may die. */
export const processStreams: Streams = {
  readStdin: () => readFileSync(STDIN, 'utf8'),
  writeStdout: (text) => writeAll(STDOUT, text),
  writeStderr: (text) => writeAll(STDERR, text),
}
