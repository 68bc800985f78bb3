import { createHash } from 'node:crypto'

/** A path of a unix socket has at most 107 bytes (unix(7)). */
const MAX_PATH = 107
const HASH_DIGITS = 16

/** The name of the socket of a resource: the same each time, and short enough for its folder. */
export function socketNameOf(folder: string, resource: string): string {
  const name = `sriov-cni-${resource.replace(/\//g, '_')}.sock`
  const isFit = Buffer.byteLength(folder) + 1 + Buffer.byteLength(name) <= MAX_PATH
  return isFit ? name : `sriov-cni-${createHash('sha256').update(resource).digest('hex').slice(0, HASH_DIGITS)}.sock`
}
