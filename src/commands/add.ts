import type { CallArgs } from '../cni/args.js'
import { type ParsedNetConf, requireValid } from '../cni/netconf.js'
import type { CniResult } from '../cni/result.js'
import { PluginError } from '../errors.js'
import type { Host, Netns } from '../host/ports.js'
import { requireSupportedKernel } from '../node/kernel-release.js'
import { withDevice } from '../sriov/allocation/choose.js'
import { releaseLeftover } from '../sriov/allocation/occupancy.js'
import { attachVf } from '../sriov/attach/attach.js'
import { describeRecorded } from '../sriov/device/locate.js'
import { awaitTenancy } from '../sriov/users/tenancy.js'
import { loadSurely, recordPath, setAsideAttachment } from '../state/attachments.js'
import { withLockedAttachment } from '../state/locked-attachment.js'

/**
 * Set by the launcher when the resident process died with this very call: it may have been through, but nobody was told
 * (native/shim/protocol.h).
 */
const isRepeated = ({ environment }: CallArgs): boolean => environment.SRIOV_CNI_AGAIN === '1'

/**
 * Makes sure that this attachment is new. An intent under its name is of a killed ADD and is undone.
 * @throws PluginError kinds `alreadyAttached`, `state`, `release`
 */
async function requireNewAttachment(host: Host, cniDir: string, args: CallArgs): Promise<void> {
  const read = loadSurely(host.files, cniDir, args)
  if (!read) {
    return
  }
  if (read.kind === 'foreign') {
    throw new PluginError({ kind: 'state', path: recordPath(cniDir, args), problem: read.problem })
  }
  if (read.kind === 'unreadable') {
    const aside = setAsideAttachment(host.files, cniDir, args)
    host.log.warning('a state file that cannot be read was put aside', { problem: read.problem, aside })
    return
  }
  await withLockedAttachment(host, cniDir, args, async (record, lock) => {
    if (!isRepeated(args) && (await awaitTenancy(host, cniDir, record)) === 'used') {
      throw new PluginError({
        kind: 'alreadyAttached',
        key: `container ${args.containerId} interface ${args.ifName}`,
        target: describeRecorded(record),
      })
    }
    await releaseLeftover(host, cniDir, record, lock)
  })
}

/** ADD: gives a pod its device. @throws PluginError with nothing changed */
export async function add(host: Host, args: CallArgs, parsed: ParsedNetConf, pod: Netns): Promise<CniResult> {
  const conf = requireValid(parsed)
  const { cniDir, device } = conf
  requireSupportedKernel(host.files)
  if (!device) {
    throw new PluginError({ kind: 'config', issues: [{ key: 'deviceID', problem: 'is missing' }] })
  }
  await requireNewAttachment(host, cniDir, args)
  return withDevice(host, conf, device, (location, lock) => attachVf(host, { args, conf, location, pod, lock }))
}
