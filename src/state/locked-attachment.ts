import type { Lock } from '../host/ports.js'
import { loadSurely } from './attachments.js'
import type { CallHost } from './folder.js'
import { withFreeVfLock, withVfLock } from './lock.js'
import type { AttachmentKey, AttachmentRecord } from './record.js'

function recordOf({ state }: CallHost, key: AttachmentKey): AttachmentRecord | undefined {
  const read = loadSurely(state, key)
  return read?.kind === 'record' ? read.record : undefined
}

/**
 * Runs `work` with the record of an attachment, read again once the lock of its VF is held. Does nothing when there is
 * no record (any more). If the record names another VF by then, the lock of that VF is taken instead. `found` is the
 * record, if the caller has already read it without the lock.
 * @throws PluginError kind `tryAgain` when the lock does not become free in time
 */
export async function withLockedAttachment(
  host: CallHost,
  key: AttachmentKey,
  work: (record: AttachmentRecord, lock: Lock) => Promise<void>,
  found?: AttachmentRecord,
): Promise<void> {
  let record = found ?? recordOf(host, key)
  while (record) {
    const { deviceId } = record
    record = await withVfLock(host, deviceId, async (lock) => {
      const again = recordOf(host, key)
      if (again && again.deviceId !== deviceId) {
        return again
      }
      if (again) {
        await work(again, lock)
      }
      return undefined
    })
  }
}

/**
 * Runs `work` with the record of an attachment, read again under the lock of its VF, without waiting for the lock. Does
 * nothing while another call has the VF, or when the record names another VF by then.
 */
export const withFreeAttachment = (
  host: CallHost,
  found: AttachmentRecord,
  work: (record: AttachmentRecord, lock: Lock) => Promise<void>,
): Promise<void> =>
  withFreeVfLock(host, found.deviceId, async (lock) => {
    const again = recordOf(host, found)
    if (again?.deviceId === found.deviceId) {
      await work(again, lock)
    }
  })
