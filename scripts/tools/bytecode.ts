/**
 * Makes the bytecode of a release. It lies there in the place of start.cjs while the launcher makes a call, so that
 * Node.js and its flags are those of every call.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { REPORT_VARIABLE } from '../../src/host/process/launched.js'
import { CHECKSUM_BYTES, compile, start } from '../../src/host/process/plugin-script.js'

const PRIME = 0x100000001b3n
const OFFSET_BASIS = 0xcbf29ce484222325n
const WORD_BYTES = 8

/** checksum_of() of native/shim/bytecode.c. */
export function checksumOf(bytes: Buffer): bigint {
  let sum = OFFSET_BASIS
  const add = (value: bigint) => {
    sum = BigInt.asUintN(64, (sum ^ value) * PRIME)
  }
  let at = 0
  for (; at + WORD_BYTES <= bytes.length; at += WORD_BYTES) {
    add(bytes.readBigUInt64LE(at))
  }
  for (; at < bytes.length; at++) {
    add(BigInt(bytes[at] ?? 0))
  }
  return sum
}

/** A file as the launcher wants it. */
export function bytecodeFile(bytecode: Buffer): Buffer {
  const checksum = Buffer.alloc(CHECKSUM_BYTES)
  checksum.writeBigUInt64LE(checksumOf(bytecode))
  return Buffer.concat([checksum, bytecode])
}

function make(folder: string): void {
  // A launcher that hears of an answer does not wait long for the end, and the bytecode is made after that.
  delete process.env[REPORT_VARIABLE]
  // All functions, not only those that a refused call needs. V8 compares its flags when it takes bytecode: set them back.
  setFlagsFromString('--no-lazy')
  const script = compile(folder)
  setFlagsFromString('--lazy')
  const load = process.dlopen
  // The plugin ends its process by the addon, at once: the last moment is there.
  process.dlopen = (module: { exports: object }, path: string) => {
    load.call(process, module, path)
    module.exports = {
      ...module.exports,
      exitNow(code: number) {
        writeFileSync(join(folder, 'main.bytecode'), bytecodeFile(script.createCachedData()))
        process.exit(code)
      },
    }
  }
  void start(folder, script, require)
}

if (require.main === module) {
  make(__dirname)
}
