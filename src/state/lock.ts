import { PluginError } from '../errors.js'
import type { Host, Lock } from '../host/ports.js'
import type { PciAddress } from '../pci/address.js'
import { readMark } from './allocations.js'

const LOCK_TIMEOUT_MS = 60_000
const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 50

/**
 * Holds the lock of a VF while `work` runs: one call at a time touches a VF, the Go sriov-cni's included.
 * @throws PluginError kind `tryAgain` after 60 s
 */
export async function withVfLock<T>(
  host: Host,
  cniDir: string,
  deviceId: PciAddress,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  const lock = await takeVfLock(host, cniDir, deviceId)
  try {
    return await work(lock)
  } finally {
    lock.release()
  }
}

async function takeVfLock({ files, clock }: Host, cniDir: string, deviceId: PciAddress): Promise<Lock> {
  const folder = `${cniDir}/pci/vf_lock`
  files.makeFolder(folder)
  const deadline = clock.nowMs() + LOCK_TIMEOUT_MS
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const lock = files.tryLock(`${folder}/${deviceId}.lock`)
    if (lock) {
      return lock
    }
    if (clock.nowMs() >= deadline) {
      const holder = readMark(files, cniDir, deviceId)
      throw new PluginError({
        kind: 'tryAgain',
        message: `VF ${deviceId} has been locked by another call for ${LOCK_TIMEOUT_MS / 1000} s${holder === undefined ? '' : ` (it is marked as used by ${holder})`}`,
      })
    }
    await clock.sleep(pause)
  }
}
