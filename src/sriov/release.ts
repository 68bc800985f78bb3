import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import { ipamDel } from '../ipam.js'
import { removeMark } from '../state/allocations.js'
import { removeAttachment } from '../state/attachments.js'
import type { AttachmentRecord, IpamCall } from '../state/record.js'
import { giveBackVf } from './detach.js'
import { describeVf } from './locate.js'
import { belongsToAnother } from './ownership.js'

/**
 * Ends an attachment: VF first, IPAM last, the record only when both are done. A VF that serves another attachment by
 * now is left alone. The caller holds the lock of the VF.
 * @throws PluginError kind `release` with everything that could not be given back; the record stays then
 */
export async function releaseAttachment(
  host: Host,
  cniDir: string,
  record: AttachmentRecord,
  ipam: IpamCall | undefined = record.ipam,
): Promise<void> {
  const { files, log } = host
  const problems: string[] = []
  if (belongsToAnother(host, cniDir, record)) {
    log.info('the VF serves another attachment by now; it is left alone', { device: record.deviceId })
  } else {
    try {
      await giveBackVf(host, record)
      removeMark(files, cniDir, record.deviceId, record.netns.path)
    } catch (error) {
      problems.push(
        ...(error instanceof PluginError && error.fault.kind === 'release' ? error.fault.problems : [messageOf(error)]),
      )
    }
  }
  if (ipam) {
    try {
      await ipamDel(host, ipam)
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  if (problems.length > 0) {
    throw new PluginError({
      kind: 'release',
      target: `${describeVf(record.vfIndex, record.pf.name)} (${record.deviceId})`,
      problems,
    })
  }
  removeAttachment(files, cniDir, record)
}
