import type { Lock } from '../host/ports.js'
import { loadSurely } from './attachments.js'
import type { HostWithState } from './folder.js'
import { withFreeVfLock, withVfLock } from './lock.js'
import type { AttachmentKey, AttachmentRecord } from './record.js'

/**
 * Does something with the record of an attachment, as it is once the lock of its VF is held; nothing when there is none
 * (any more). A record that names another VF by then is locked anew.
 * @throws PluginError kind `tryAgain` when the lock is not to be had
 */
export async function withLockedAttachment(
  host: HostWithState,
  key: AttachmentKey,
  work: (record: AttachmentRecord, lock: Lock) => Promise<void>,
): Promise<void> {
  for (let isDone = false; !isDone; ) {
    const read = loadSurely(host.state, key)
    if (read?.kind !== 'record') {
      return
    }
    const { deviceId } = read.record
    isDone = await withVfLock(host, deviceId, async (lock) => {
      const again = loadSurely(host.state, key)
      if (again?.kind === 'record' && again.record.deviceId !== deviceId) {
        return false
      }
      if (again?.kind === 'record') {
        await work(again.record, lock)
      }
      return true
    })
  }
}

/** The same without waiting: nothing is done while another call has the VF, nor when the record names another VF by then. */
export const withFreeAttachment = (
  host: HostWithState,
  found: AttachmentRecord,
  work: (record: AttachmentRecord, lock: Lock) => Promise<void>,
): Promise<void> =>
  withFreeVfLock(host, found.deviceId, async (lock) => {
    const again = loadSurely(host.state, found)
    if (again?.kind === 'record' && again.record.deviceId === found.deviceId) {
      await work(again.record, lock)
    }
  })
