import type { Environment } from '../cni/args.js'
import type { NetnsId } from '../host/ports.js'

/**
 * How the launcher and the resident process talk over a unix stream socket; native/shim/protocol.h is the other side.
 * All numbers are little-endian.
 *
 * Request: magic, version, length of the frame, length of the environment (u32 each); device and inode of the caller's
 * network namespace (u64 each); the environment, each string with its NUL; stdin up to the end. The first byte may
 * carry one descriptor (SCM_RIGHTS): the namespace behind CNI_NETNS.
 *
 * Answer: magic, version, length of the frame, kind (u32 each). An acknowledgement says that the request is complete
 * and is now carried out. A result has the exit code and the length of stdout (u32 each), stdout, and stderr up to the
 * end. A process that does not want a request closes the connection; the launcher then carries the request out without
 * a resident process.
 */
export const PROTOCOL_MAGIC = 0x31495253
export const PROTOCOL_VERSION = 1
export const REQUEST_HEADER_BYTES = 32
/** A configuration has a few kilobytes; the attachment list of GC, a hundred bytes for each attachment. */
export const MAX_REQUEST_BYTES = 1024 * 1024
export const ANSWER_HEADER_BYTES = 16
export const RESULT_HEADER_BYTES = 24
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024
export const ANSWER_ACK = 1
export const ANSWER_RESULT = 2

/** The socket path of the resident process. */
export const RESIDENT_SOCKET = '/run/sriov-cni/daemon.sock'

/** The lock that a resident process holds for its life, by its socket. */
export const residentLock = (socketPath: string): string => `${socketPath}.lock`

/** One call, as a process of its own would receive it. */
export interface Request {
  /** The network namespace of the caller. */
  readonly callerNetns: NetnsId
  readonly environment: Environment
  readonly stdin: string
}

/** The outcome that a process of its own would have. */
export interface Result {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** What the first bytes show: not a request, too few bytes to tell, or the length of the frame. */
export type FrameStart =
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'frame'; readonly length: number }

const refused = (problem: string): FrameStart => ({ kind: 'refused', problem })

/** Judges the bytes that have come so far. They are refused as soon as they cannot become a request. */
export function requestStart(bytes: Buffer): FrameStart {
  if (bytes.length >= 4 && bytes.readUInt32LE(0) !== PROTOCOL_MAGIC) {
    return refused('is no request')
  }
  if (bytes.length >= 8 && bytes.readUInt32LE(4) !== PROTOCOL_VERSION) {
    return refused(`speaks version ${bytes.readUInt32LE(4)} of the protocol`)
  }
  if (bytes.length < REQUEST_HEADER_BYTES) {
    return { kind: 'incomplete' }
  }
  const length = bytes.readUInt32LE(8)
  if (length > MAX_REQUEST_BYTES) {
    return refused(`has ${length} bytes, more than ${MAX_REQUEST_BYTES}`)
  }
  return REQUEST_HEADER_BYTES + bytes.readUInt32LE(12) > length || bytes.length > length
    ? refused('contradicts itself in its lengths')
    : { kind: 'frame', length }
}

/** Parses like getenv(3): the first of several equal names counts; a string without name or "=" is ignored. */
function parseEnvironment(block: Buffer): Environment {
  const variables = new Map<string, string>()
  for (const text of block.toString('utf8').split('\0')) {
    const end = text.indexOf('=')
    if (end > 0 && !variables.has(text.slice(0, end))) {
      variables.set(text.slice(0, end), text.slice(end + 1))
    }
  }
  return Object.fromEntries(variables)
}

/** Reads a whole frame that {@link requestStart} has accepted. */
export function decodeRequest(frame: Buffer): Request {
  const stdinAt = REQUEST_HEADER_BYTES + frame.readUInt32LE(12)
  return {
    callerNetns: { device: String(frame.readBigUInt64LE(16)), inode: String(frame.readBigUInt64LE(24)) },
    environment: parseEnvironment(frame.subarray(REQUEST_HEADER_BYTES, stdinAt)),
    stdin: frame.toString('utf8', stdinAt),
  }
}

/** Encodes a request, as the launcher sends it. */
export function encodeRequest({ callerNetns, environment, stdin }: Request): Buffer {
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}\0`],
  )
  const block = Buffer.from(variables.join(''))
  const header = Buffer.alloc(REQUEST_HEADER_BYTES)
  const frame = Buffer.concat([header, block, Buffer.from(stdin)])
  frame.writeUInt32LE(PROTOCOL_MAGIC, 0)
  frame.writeUInt32LE(PROTOCOL_VERSION, 4)
  frame.writeUInt32LE(frame.length, 8)
  frame.writeUInt32LE(block.length, 12)
  frame.writeBigUInt64LE(BigInt(callerNetns.device), 16)
  frame.writeBigUInt64LE(BigInt(callerNetns.inode), 24)
  return frame
}

function writeAnswerHeader(frame: Buffer, kind: number): Buffer {
  frame.writeUInt32LE(PROTOCOL_MAGIC, 0)
  frame.writeUInt32LE(PROTOCOL_VERSION, 4)
  frame.writeUInt32LE(frame.length, 8)
  frame.writeUInt32LE(kind, 12)
  return frame
}

/** Says that the request is complete and is now carried out. */
export const ACKNOWLEDGEMENT = writeAnswerHeader(Buffer.alloc(ANSWER_HEADER_BYTES), ANSWER_ACK)

/** Encodes the outcome of a call. Stderr is cut to the room that is left in the frame. */
export function encodeResult({ exitCode, stdout, stderr }: Result): Buffer {
  const stdoutBytes = Buffer.byteLength(stdout)
  const stderrText = Buffer.from(stderr)
  const room = Math.max(0, MAX_ANSWER_BYTES - RESULT_HEADER_BYTES - stdoutBytes)
  const stderrBytes = Math.min(stderrText.length, room)
  const frame = Buffer.allocUnsafe(RESULT_HEADER_BYTES + stdoutBytes + stderrBytes)
  writeAnswerHeader(frame, ANSWER_RESULT)
  frame.writeUInt32LE(exitCode, 16)
  frame.writeUInt32LE(stdoutBytes, 20)
  frame.write(stdout, RESULT_HEADER_BYTES)
  stderrText.copy(frame, RESULT_HEADER_BYTES + stdoutBytes, 0, stderrBytes)
  return frame
}

/** An answer frame, as the launcher reads it. */
export type Answer = { readonly kind: 'acknowledgement' } | ({ readonly kind: 'result' } & Result)

/** Reads the first answer in `bytes`; undefined while it is incomplete. @throws RangeError when it is not an answer */
export function decodeAnswer(bytes: Buffer): { readonly answer: Answer; readonly rest: Buffer } | undefined {
  if (bytes.length < ANSWER_HEADER_BYTES) {
    return undefined
  }
  const [magic, version, length, kind] = [0, 4, 8, 12].map((at) => bytes.readUInt32LE(at))
  if (magic !== PROTOCOL_MAGIC || version !== PROTOCOL_VERSION || length === undefined || length > MAX_ANSWER_BYTES) {
    throw new RangeError('not an answer')
  }
  if (bytes.length < length) {
    return undefined
  }
  const rest = bytes.subarray(length)
  if (kind === ANSWER_ACK && length === ANSWER_HEADER_BYTES) {
    return { answer: { kind: 'acknowledgement' }, rest }
  }
  const stderrAt = RESULT_HEADER_BYTES + (length < RESULT_HEADER_BYTES ? 0 : bytes.readUInt32LE(20))
  if (kind !== ANSWER_RESULT || stderrAt > length) {
    throw new RangeError('not an answer')
  }
  const exitCode = bytes.readUInt32LE(16)
  const stdout = bytes.toString('utf8', RESULT_HEADER_BYTES, stderrAt)
  return { answer: { kind: 'result', exitCode, stdout, stderr: bytes.toString('utf8', stderrAt, length) }, rest }
}
