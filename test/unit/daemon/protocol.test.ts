import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { REPEATED_VARIABLE } from '../../../src/cni/args.js'
import {
  ACKNOWLEDGEMENT,
  ANSWER_ACK,
  ANSWER_HEADER_BYTES,
  ANSWER_RESULT,
  decodeAnswer,
  decodeRequest,
  encodeRequest,
  encodeResult,
  MAX_ANSWER_BYTES,
  MAX_REQUEST_BYTES,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  REQUEST_HEADER_BYTES,
  RESIDENT_SOCKET,
  RESULT_HEADER_BYTES,
  requestStart,
} from '../../../src/daemon/protocol.js'
import { count } from '../../counts.js'
import { FUZZ_SEED } from '../../matrix/fuzz/seed.js'

const SHARED = {
  REPEATED_VARIABLE,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  REQUEST_HEADER_BYTES,
  MAX_REQUEST_BYTES,
  ANSWER_HEADER_BYTES,
  RESULT_HEADER_BYTES,
  MAX_ANSWER_BYTES,
  ANSWER_ACK,
  ANSWER_RESULT,
  RESIDENT_SOCKET,
}

const SHIM = readFileSync(new URL('../../../native/shim/protocol.h', import.meta.url), 'utf8')

/** A number or text that the launcher is compiled with. */
function inShim(name: string): number | string {
  const text = new RegExp(`^#define ${name} (.+?)(?: /\\*.*)?$`, 'm').exec(SHIM)?.[1] ?? ''
  return text.startsWith('"')
    ? text.slice(1, -1)
    : text
        .replace(/[()u]/g, '')
        .split('*')
        .reduce((product, factor) => product * Number(factor), 1)
}

test.each(Object.entries(SHARED))('the launcher has the same %s', (name, value) => {
  expect(inShim(name)).toBe(value)
})

const text = fc.string({ unit: 'grapheme' }).filter((one) => !one.includes('\0'))
const name = text.filter((one) => one !== '' && !one.includes('='))
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)
const requests = fc.record({
  callerNetns: fc.record({ device: u64, inode: u64 }),
  environment: fc.dictionary(name, text),
  stdin: fc.string({ unit: 'grapheme' }),
})
const results = fc.record({ exitCode: fc.integer({ min: 0, max: 255 }), stdout: text, stderr: text })

const tried = <Input>(inputs: fc.Arbitrary<Input>, check: (input: Input) => void, numRuns = 300) => {
  count('fuzz inputs', numRuns)
  fc.assert(fc.property(inputs, check), { seed: FUZZ_SEED, numRuns })
}

describe(`requests, seed ${FUZZ_SEED}`, () => {
  test('are read as they were written', () => {
    tried(requests, (request) => {
      const frame = encodeRequest(request)
      expect(requestStart(frame)).toEqual({ kind: 'frame', length: frame.length })
      const { environment, ...rest } = decodeRequest(frame)
      expect({ ...rest, environment: { ...environment } }).toEqual({
        ...request,
        environment: { ...request.environment },
      })
    })
  })

  test('are not whole before their end', () => {
    tried(fc.tuple(requests, fc.double({ min: 0, max: 0.999, noNaN: true })), ([request, part]) => {
      const frame = encodeRequest(request)
      const cut = frame.subarray(0, Math.floor(frame.length * part))
      const start = requestStart(cut)
      expect(start.kind).toBe(cut.length < REQUEST_HEADER_BYTES ? 'incomplete' : 'frame')
      expect(start.kind === 'frame' ? start.length : frame.length).toBe(frame.length)
    })
  })

  test('of any other bytes are refused, or asked for more than is there', () => {
    tried(fc.uint8Array({ minLength: 4, maxLength: 100 }), (bytes) => {
      expect(requestStart(Buffer.from(bytes)).kind).toBe('refused')
    })
  })

  test('with damaged lengths never read beyond their frame', () => {
    const damage = fc.tuple(requests, fc.integer({ min: 8, max: 15 }), fc.nat(255))
    tried(damage, ([request, at, value]) => {
      const frame = encodeRequest(request)
      frame[at] = value
      if (requestStart(frame).kind === 'frame') {
        decodeRequest(frame)
      }
    })
  })

  test('of another version, too long ones and those that contradict themselves are refused', () => {
    const request = { callerNetns: { device: '4', inode: '1' }, environment: { A: '1' }, stdin: '{}' }
    const damaged = (at: number, value: number) => {
      const frame = encodeRequest(request)
      frame.writeUInt32LE(value, at)
      return requestStart(frame)
    }
    expect(damaged(4, 2)).toMatchObject({ kind: 'refused', problem: expect.stringContaining('version 2') })
    expect(damaged(8, MAX_REQUEST_BYTES + 1)).toMatchObject({ kind: 'refused' })
    expect(damaged(8, 33)).toMatchObject({ kind: 'refused' })
    expect(damaged(12, 0xffff_ffff)).toMatchObject({ kind: 'refused' })
  })

  test('have the first of two variables of a name, and none without a name', () => {
    const frame = encodeRequest({
      callerNetns: { device: '0', inode: '0' },
      environment: { 'A=1\0A': '2', '': 'x' },
      stdin: '',
    })
    expect(decodeRequest(frame).environment).toEqual({ A: '1' })
  })
})

describe(`answers, seed ${FUZZ_SEED}`, () => {
  test('are read as they were written, one behind the other', () => {
    tried(results, (result) => {
      const bytes = Buffer.concat([ACKNOWLEDGEMENT, encodeResult(result)])
      const first = decodeAnswer(bytes)
      expect(first?.answer).toEqual({ kind: 'acknowledgement' })
      const second = decodeAnswer(first?.rest ?? Buffer.alloc(0))
      expect(second).toEqual({ answer: { kind: 'result', ...result }, rest: Buffer.alloc(0) })
    })
  })

  test('are not whole before their end', () => {
    tried(fc.tuple(results, fc.double({ min: 0, max: 0.999, noNaN: true })), ([result, part]) => {
      const frame = encodeResult(result)
      expect(decodeAnswer(frame.subarray(0, Math.floor(frame.length * part)))).toBeUndefined()
    })
  })

  test('of any other bytes are none', () => {
    tried(fc.uint8Array({ minLength: 16, maxLength: 100 }), (bytes) => {
      expect(() => decodeAnswer(Buffer.from(bytes))).toThrow(RangeError)
    })
    const frame = encodeResult({ exitCode: 0, stdout: 'x', stderr: '' })
    frame.writeUInt32LE(1000, 20)
    expect(() => decodeAnswer(frame)).toThrow(RangeError)
  })

  test('leave out of stderr what has no room', () => {
    const frame = encodeResult({ exitCode: 1, stdout: '{}', stderr: 'x'.repeat(MAX_ANSWER_BYTES) })
    expect(frame.length).toBe(MAX_ANSWER_BYTES)
    expect(decodeAnswer(frame)?.answer).toMatchObject({ kind: 'result', stdout: '{}' })
  })
})
