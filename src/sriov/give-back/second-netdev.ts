import type { AttachmentRecord } from '../../state/record.js'
import { secondName } from '../netdev/pod-names.js'

/**
 * The part of a record that is about the second interface of a VF (ConnectX-3). The PF's settings belong to the first.
 */
export function recordOfSecond({
  pf: _pf,
  releaseAdminMac: _mac,
  ...record
}: AttachmentRecord): AttachmentRecord | undefined {
  const { second } = record.original
  return second && { ...record, original: { netdev: second }, podIfName: secondName(record.podIfName ?? record.ifName) }
}
