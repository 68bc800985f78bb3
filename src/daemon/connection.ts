import { isUtf8 } from 'node:buffer'
import type { ClockPort } from '../host/ports.js'
import type { PassedDescriptor, PeerSocket } from '../host/sockets/unix-sockets.js'
import { REQUEST_HEADER_BYTES, requestStart } from './protocol.js'

/**
 * Larger than nearly every request, and too large for the pool of Node.js: what lies in that is freed late, and memory grows
 * by megabytes until then.
 */
const FIRST_BYTES = 16 * 1024

/** What a connection brought: a request frame, or the reason for refusing it. */
export type ReadFrame =
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'frame'; readonly frame: Buffer }

/** The limits of a read, and what happens on the way. */
export interface ReadOptions {
  readonly clock: Pick<ClockPort, 'nowMs'>
  readonly timeoutMs: number
  /** Asked once, with the length of the frame, before memory is allocated for it. */
  readonly hasRoom: (bytes: number) => boolean
  /** Takes ownership of the descriptor that comes with the first byte. */
  readonly onDescriptor: (passed: PassedDescriptor) => void
}

const refused = (problem: string): ReadFrame => ({ kind: 'refused', problem })

function withLength(buffer: Buffer, count: number, length: number): Buffer {
  if (buffer.length >= length) {
    return buffer
  }
  const larger = Buffer.allocUnsafe(length)
  buffer.copy(larger, 0, 0, count)
  return larger
}

/** Reads exactly one request frame within its size limit. @throws PluginError kind `kernel` */
export async function readFrame(socket: PeerSocket, options: ReadOptions): Promise<ReadFrame> {
  const deadline = options.clock.nowMs() + options.timeoutMs
  let buffer: Buffer = Buffer.allocUnsafe(FIRST_BYTES)
  let isCounted = false
  for (let count = 0; ; ) {
    const received = socket.receive(buffer, count)
    if (!received) {
      const left = deadline - options.clock.nowMs()
      if (left <= 0 || !(await socket.untilReady('readable', left))) {
        return refused('did not come to an end')
      }
      continue
    }
    if (received.passed) {
      options.onDescriptor(received.passed)
      if (count > 0) {
        return refused('has a descriptor in its middle')
      }
    }
    if (received.count === 0) {
      return refused('broke off')
    }
    count += received.count
    const start = requestStart(buffer.subarray(0, count))
    if (start.kind === 'refused') {
      return start
    }
    if (start.kind === 'frame') {
      if (!isCounted && !options.hasRoom(start.length)) {
        return refused('is too large beside the others')
      }
      isCounted = true
      if (count === start.length) {
        // Decoding would change the bytes. The launcher then runs the call itself, which refuses it with a reason.
        if (!isUtf8(buffer.subarray(REQUEST_HEADER_BYTES, count))) {
          return refused('is not UTF-8')
        }
        return { kind: 'frame', frame: buffer.subarray(0, count) }
      }
      buffer = withLength(buffer, count, start.length)
    }
  }
}

/**
 * Writes a whole frame; false when the peer does not take it in time.
 * @throws PluginError kind `kernel` when the peer is gone
 */
export async function sendFrame(
  socket: PeerSocket,
  frame: Buffer,
  { clock, timeoutMs }: Pick<ReadOptions, 'clock' | 'timeoutMs'>,
): Promise<boolean> {
  const deadline = clock.nowMs() + timeoutMs
  for (let sent = socket.send(frame, 0); sent < frame.length; sent += socket.send(frame, sent)) {
    const left = deadline - clock.nowMs()
    if (left <= 0 || !(await socket.untilReady('writable', left))) {
      return false
    }
  }
  return true
}
