import type { CallArgs } from '../cni/args.js'
import type { ParsedNetConf } from '../cni/netconf.js'
import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import { isAlive } from '../sriov/ownership.js'
import { releaseAttachment } from '../sriov/release.js'
import { allAttachments, tidyStateFolder } from '../state/attachments.js'
import { withLockedAttachment } from '../state/locked-attachment.js'
import type { AttachmentRecord } from '../state/record.js'

/**
 * GC: releases the attachments of this network that the runtime does not know any more; without a list, those whose
 * pod is provably dead.
 * @throws PluginError kind `release` naming what could not be given back, after trying all
 */
export async function gc(host: Host, _args: CallArgs, { conf }: ParsedNetConf): Promise<void> {
  const { cniDir, name, validAttachments } = conf
  const problems: string[] = []
  tidyStateFolder(host.files, cniDir)
  const isGarbage = (record: AttachmentRecord): boolean => {
    const isKnown = validAttachments?.some(
      ({ containerId, ifName }) => containerId === record.containerId && ifName === record.ifName,
    )
    return record.network === name && !(isKnown ?? isAlive(host, record))
  }
  for (const found of allAttachments(host.files, cniDir).filter(isGarbage)) {
    try {
      // Asked again under the lock: an ADD of the same name may have come meanwhile.
      await withLockedAttachment(host, cniDir, found, async (record) => {
        if (isGarbage(record)) {
          await releaseAttachment(host, cniDir, record)
        }
      })
    } catch (error) {
      problems.push(`container ${found.containerId} interface ${found.ifName}: ${messageOf(error)}`)
    }
  }
  if (problems.length > 0) {
    throw new PluginError({ kind: 'release', target: `network ${name}`, problems })
  }
}
