import type { CallArgs } from '../cni/args.js'
import type { ParsedNetConf } from '../cni/netconf.js'
import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import { isAlive } from '../sriov/ownership.js'
import { releaseAttachment } from '../sriov/release.js'
import { allAttachments, loadAttachment, tidyStateFolder } from '../state/attachments.js'
import { withVfLock } from '../state/lock.js'

/**
 * GC: releases the attachments of this network that the runtime does not know any more; without a list, those whose
 * pod is provably dead.
 * @throws PluginError kind `release` naming what could not be given back, after trying all
 */
export async function gc(host: Host, _args: CallArgs, { conf }: ParsedNetConf): Promise<void> {
  const { cniDir, name, validAttachments } = conf
  const problems: string[] = []
  tidyStateFolder(host.files, cniDir)
  for (const record of allAttachments(host.files, cniDir)) {
    const isKnown = validAttachments?.some(
      ({ containerId, ifName }) => containerId === record.containerId && ifName === record.ifName,
    )
    if (record.network !== name || (isKnown ?? isAlive(host, record))) {
      continue
    }
    try {
      await withVfLock(host, cniDir, record.deviceId, async () => {
        if (loadAttachment(host.files, cniDir, record)?.kind === 'record') {
          await releaseAttachment(host, cniDir, record)
        }
      })
    } catch (error) {
      problems.push(`container ${record.containerId} interface ${record.ifName}: ${messageOf(error)}`)
    }
  }
  if (problems.length > 0) {
    throw new PluginError({ kind: 'release', target: `network ${name}`, problems })
  }
}
