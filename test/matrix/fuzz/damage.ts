import * as fc from 'fast-check'

/** A change of bytes at a place that is counted modulo their length. */
export type Damage =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'set'; readonly at: number; readonly to: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: 'append'; readonly bytes: readonly number[] }

const place = fc.nat(10_000)
const someBytes = fc.array(fc.nat(255), { minLength: 1, maxLength: 20 })

export const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('set' as const), at: place, to: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: place }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: someBytes }),
  fc.record({ kind: fc.constant('append' as const), bytes: someBytes }),
)

export function damaged(bytes: Buffer, what: Damage): Buffer {
  const copy = Buffer.from(bytes)
  if (what.kind === 'append') {
    return Buffer.concat([copy, Buffer.from(what.bytes)])
  }
  const at = what.at % Math.max(copy.length, 1)
  switch (what.kind) {
    case 'flip':
      copy[at] = (copy[at] ?? 0) ^ (1 << what.bit)
      return copy
    case 'set':
      copy[at] = what.to
      return copy
    case 'cut':
      return copy.subarray(0, at)
    case 'insert':
      return Buffer.concat([copy.subarray(0, at), Buffer.from(what.bytes), copy.subarray(at)])
  }
}
