import { PluginError } from '../../../src/errors.js'
import { randomNumbers } from '../../fakes/random.js'

/** Every beginning of a message, the empty one included. */
export const prefixesOf = (bytes: Buffer): Buffer[] =>
  Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length))

/** The same message with one byte changed, many times over. */
export function mutationsOf(bytes: Buffer, count = 3000): Buffer[] {
  const random = randomNumbers(bytes.length)
  return Array.from({ length: count }, () => {
    const copy = Buffer.from(bytes)
    copy[random(bytes.length)] = random(256)
    return copy
  })
}

/** What a decoder throws at damaged bytes, other than a PluginError of kind `wire`. */
export function unexpectedErrors(damaged: readonly Buffer[], decode: (bytes: Buffer) => unknown): unknown[] {
  return damaged.flatMap((bytes) => {
    try {
      decode(bytes)
      return []
    } catch (error) {
      return error instanceof PluginError && error.fault.kind === 'wire' ? [] : [error]
    }
  })
}
