import type { Host, Lock } from '../host/ports.js'
import { loadSurely } from './attachments.js'
import { withFreeVfLock, withVfLock } from './lock.js'
import type { AttachmentKey, AttachmentRecord } from './record.js'

/**
 * Does something with the record of an attachment, as it is once the lock of its VF is held; nothing when there is none
 * (any more). A record that names another VF by then is locked anew.
 * @throws PluginError kind `tryAgain` when the lock is not to be had
 */
export async function withLockedAttachment(
  host: Host,
  cniDir: string,
  key: AttachmentKey,
  work: (record: AttachmentRecord, lock: Lock) => Promise<void>,
): Promise<void> {
  for (let isDone = false; !isDone; ) {
    const read = loadSurely(host.files, cniDir, key)
    if (read?.kind !== 'record') {
      return
    }
    const { deviceId } = read.record
    isDone = await withVfLock(host, cniDir, deviceId, async (lock) => {
      const again = loadSurely(host.files, cniDir, key)
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
  host: Host,
  cniDir: string,
  found: AttachmentRecord,
  work: (record: AttachmentRecord, lock: Lock) => Promise<void>,
): Promise<void> =>
  withFreeVfLock(host, cniDir, found.deviceId, async (lock) => {
    const again = loadSurely(host.files, cniDir, found)
    if (again?.kind === 'record' && again.record.deviceId === found.deviceId) {
      await work(again.record, lock)
    }
  })
