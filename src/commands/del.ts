import type { CallArgs } from '../cni/args.js'
import type { NetConf, ParsedNetConf } from '../cni/netconf.js'
import { messageOf, PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import { ipamCall, ipamDel } from '../ipam.js'
import { releaseAttachment } from '../sriov/release.js'
import { loadAttachment, recordPath, setAsideAttachment, tidyStateFolder } from '../state/attachments.js'
import { withLockedAttachment } from '../state/locked-attachment.js'
import type { AttachmentRecord, IpamCall } from '../state/record.js'

const ipamOf = ({ ipamType, text }: NetConf, { environment }: CallArgs): IpamCall | undefined =>
  ipamType === undefined ? undefined : ipamCall(ipamType, text, environment)

/** This call's IPAM where it is the one that gave the lease; a configuration may have changed since. */
function ipamToCall(conf: NetConf, args: CallArgs, { ipam }: AttachmentRecord): IpamCall | undefined {
  return ipam?.type === conf.ipamType ? ipamOf(conf, args) : ipam
}

/**
 * Without a record of ours there may still be a lease. That the IPAM plugin refuses, or is not there, is no reason to
 * keep the pod: we know of nothing that it holds.
 */
async function delWithoutRecord(host: Host, conf: NetConf, args: CallArgs): Promise<void> {
  const ipam = ipamOf(conf, args)
  try {
    if (ipam) {
      await ipamDel(host, ipam)
    }
  } catch (error) {
    host.log.warning('there is no record of this attachment, and its IPAM plugin fails', { error: messageOf(error) })
  }
}

/**
 * DEL: takes the VF back and gives it to the host as it was. Succeeds when there is nothing to do.
 * @throws PluginError kinds `release`, `ipam`, `state`, `tryAgain`; what is left is recorded for the next DEL
 */
export async function del(host: Host, args: CallArgs, { conf, issues }: ParsedNetConf): Promise<void> {
  const { cniDir } = conf
  if (issues.length > 0) {
    host.log.warning('DEL goes on despite an invalid configuration', { issues })
  }
  tidyStateFolder(host.files, cniDir)
  const read = loadAttachment(host.files, cniDir, args)
  if (read?.kind === 'foreign' && !read.isOtherAttachment) {
    throw new PluginError({ kind: 'state', path: recordPath(cniDir, args), problem: `${read.problem}; it is kept` })
  }
  if (read?.kind === 'unreadable') {
    const aside = setAsideAttachment(host.files, cniDir, args)
    host.log.error('a state file that cannot be read was put aside; its VF is not known', {
      problem: read.problem,
      aside,
    })
  }
  if (read?.kind !== 'record') {
    return delWithoutRecord(host, conf, args)
  }
  await withLockedAttachment(host, cniDir, args, (record) =>
    releaseAttachment(host, cniDir, record, { ipam: ipamToCall(conf, args, record) }),
  )
}
