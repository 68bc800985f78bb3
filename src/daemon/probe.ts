/** Asks the resident process whether it is well, as the launcher hands calls to it. */
import { dirname } from 'node:path'
import type { Addon } from '../host/addon.js'
import { realFiles } from '../host/files/real-files.js'
import { realKernel } from '../host/kernel.js'
import { type Exchanged, exchange } from '../host/sockets/unix-exchange.js'
import { pidsHolding } from '../node/lock-holders.js'
import { encodeRequest, RESIDENT_SOCKET, residentLock } from './protocol.js'

/** How the resident process reacts to a question. */
export interface Resident {
  readonly reaction: Exchanged
  /** The folder of the version that it runs from; absent when that cannot be seen. */
  readonly folder?: string
}

const TIMEOUT_MS = 2_000

export function probeResident(addon: Addon): Promise<Exchanged> {
  const { id: callerNetns } = realKernel(addon).ownNetns()
  const request = encodeRequest({ callerNetns, environment: { CNI_COMMAND: 'VERSION' }, stdin: '' })
  return exchange(RESIDENT_SOCKET, request, TIMEOUT_MS)
}

/** The same, and which version it is. Searches all descriptors of the machine, of which a tenant may have millions. */
export async function askResident(addon: Addon): Promise<Resident> {
  const reaction = await probeResident(addon)
  const files = realFiles(addon)
  const [pid] = pidsHolding(files, residentLock(RESIDENT_SOCKET))
  const program = pid === undefined ? undefined : files.readLink(`/proc/${pid}/exe`)
  return { reaction, ...(program !== undefined && { folder: dirname(program) }) }
}
