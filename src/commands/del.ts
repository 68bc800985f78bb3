import type { CallArgs } from '../cni/args.js'
import type { NetConf, ParsedNetConf } from '../cni/netconf.js'
import { PluginError } from '../errors.js'
import type { Host } from '../host/ports.js'
import { ipamCall, ipamDel } from '../ipam.js'
import { releaseAttachment } from '../sriov/release.js'
import { loadAttachment, recordPath, setAsideAttachment, tidyStateFolder } from '../state/attachments.js'
import { withVfLock } from '../state/lock.js'
import type { IpamCall } from '../state/record.js'

const ipamOf = ({ ipamType, text }: NetConf, { environment }: CallArgs): IpamCall | undefined =>
  ipamType === undefined ? undefined : ipamCall(ipamType, text, environment)

/** Without a record of ours there is still a lease that may have to be freed. */
async function delWithoutRecord(host: Host, conf: NetConf, args: CallArgs): Promise<void> {
  const ipam = ipamOf(conf, args)
  if (ipam) {
    await ipamDel(host, ipam)
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
  if (read?.kind === 'foreign') {
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
  await withVfLock(host, cniDir, read.record.deviceId, async () => {
    const again = loadAttachment(host.files, cniDir, args)
    if (again?.kind === 'record') {
      await releaseAttachment(host, cniDir, again.record, { ipam: ipamOf(conf, args) })
    }
  })
}
