import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LEASE_FOLDER } from '../host/snapshot.js'

/*
 * host-local creates the file of a lease, then writes the container into it, and syncs nothing. A kill in between, or a
 * power cut, leaves an empty file, which no DEL can find: `sriovctl doctor` names it.
 */

/** Whether a difference of the host is such a file. */
export const isTornLease = (line: string): boolean => line.startsWith(LEASE_FOLDER) && line.endsWith('(absent) → ')

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])

/** What an operator does. */
export function removeTornLeases(): void {
  for (const network of namesIn(LEASE_FOLDER)) {
    const folder = join(LEASE_FOLDER, network)
    for (const path of namesIn(folder).map((name) => join(folder, name))) {
      if (!path.endsWith('/lock') && statSync(path).size === 0) {
        rmSync(path)
      }
    }
  }
}
