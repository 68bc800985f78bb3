import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

/** Where native/bench/stand_ins.c notes system calls that wait. Programs find it when they start. */
const FILE = '/run/bench-spans'
const SPAN_BYTES = 32
const MAX_SPANS = 65_536
const NS_PER_MS = 1e6

const KINDS = { 1: 'change', 2: 'move', 3: 'look', 4: 'sync', 5: 'program' } as const

/** Milliseconds of the monotonic clock, as in spans. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / NS_PER_MS

/** One system call, or the life of a program. Times are of the monotonic clock. */
export interface Span {
  readonly kind: (typeof KINDS)[keyof typeof KINDS]
  readonly beginMs: number
  readonly endMs: number
  readonly pid: number
  /** The index of the interface, or the ID of the program. */
  readonly subject: number
  /** Of a program: the pod that it was started for, -1 for none. */
  readonly pod: number
}

/** Starts anew. Programs that run already go on to note theirs. */
export function clearSpans(): void {
  const fd = openSync(FILE, 'r+')
  writeSync(fd, Buffer.alloc(8), 0, 8, 0)
  closeSync(fd)
}

/** What has been noted since, by beginning. A program has two notes: when it was started, and when somebody saw its end. */
export function readSpans(): Span[] {
  const bytes = readFileSync(FILE)
  const count = Math.min(Number(bytes.readBigUInt64LE(0)), MAX_SPANS - 1)
  const noted = Array.from({ length: count }, (_, i): Span | undefined => {
    const at = (i + 1) * SPAN_BYTES
    const kind = KINDS[bytes.readInt32LE(at + 20) as keyof typeof KINDS]
    return (
      kind && {
        kind,
        beginMs: Number(bytes.readBigUInt64LE(at)) / NS_PER_MS,
        endMs: Number(bytes.readBigUInt64LE(at + 8)) / NS_PER_MS,
        pid: bytes.readInt32LE(at + 16),
        subject: bytes.readInt32LE(at + 24),
        pod: bytes.readInt32LE(at + 28),
      }
    )
  }).filter((span) => span !== undefined)
  const programs = new Map<number, Span>()
  for (const span of noted.filter(({ kind }) => kind === 'program')) {
    const started = programs.get(span.subject) ?? span
    programs.set(span.subject, { ...started, endMs: span.endMs })
  }
  return [...noted.filter(({ kind }) => kind !== 'program'), ...programs.values()].sort((a, b) => a.beginMs - b.beginMs)
}
