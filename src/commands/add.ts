import { type CallArgs, REPEATED_VARIABLE } from '../cni/args.js'
import { requireValid } from '../cni/conf/netconf.js'
import type { CniResult } from '../cni/result.js'
import { PluginError } from '../errors.js'
import type { Netns } from '../host/ports.js'
import { requireSupportedKernel } from '../node/kernel-release.js'
import { type GovernedNetConf, requireAllowed } from '../policy/govern.js'
import { openRtnl } from '../rtnl/connection.js'
import { withDevice } from '../sriov/allocation/choose.js'
import { releaseLeftover } from '../sriov/allocation/occupancy.js'
import { attachVf } from '../sriov/attach/attach.js'
import { describeRecorded } from '../sriov/device/locate.js'
import { awaitTenancy } from '../sriov/users/tenancy.js'
import { loadSurely, recordPath, setAsideAttachment } from '../state/attachments.js'
import { type CallHost, requireTrustedState } from '../state/folder.js'
import { withLockedAttachment } from '../state/locked-attachment.js'
import type { AttachmentRecord } from '../state/record.js'

/** Whether this very call made the record: the resident process died before it could answer. */
const isOwnFirstTry = ({ environment }: CallArgs, { since = '' }: AttachmentRecord): boolean =>
  Date.parse(since) >= Number(environment[REPEATED_VARIABLE] ?? Number.NaN)

/**
 * Makes sure that this attachment is new. Undoes what a killed ADD or a dead pod left under its name.
 * @throws PluginError kinds `alreadyAttached`, `state`, `release`
 */
async function requireNewAttachment(host: CallHost, args: CallArgs): Promise<void> {
  const read = loadSurely(host.state, args)
  if (!read) {
    return
  }
  if (read.kind === 'foreign') {
    throw new PluginError({ kind: 'state', path: recordPath(host.state, args), problem: read.problem })
  }
  if (read.kind === 'unreadable') {
    const aside = setAsideAttachment(host.state, args)
    host.log.warning(`a state file that cannot be read was ${aside === undefined ? 'removed' : 'put aside'}`, {
      problem: read.problem,
      ...(aside !== undefined && { aside }),
    })
    return
  }
  await withLockedAttachment(host, args, async (record, lock) => {
    if (!isOwnFirstTry(args, record) && (await awaitTenancy(host, record)) === 'used') {
      throw new PluginError({
        kind: 'alreadyAttached',
        key: `container ${args.containerId} interface ${args.ifName}`,
        target: describeRecorded(record),
      })
    }
    await releaseLeftover(host, record, lock)
  })
}

/** ADD: gives a pod its device. @throws PluginError with nothing changed */
export async function add(host: CallHost, args: CallArgs, parsed: GovernedNetConf, pod: Netns): Promise<CniResult> {
  const conf = requireValid(parsed)
  requireAllowed(host.policy, parsed)
  requireTrustedState(host.state)
  const { device } = conf
  requireSupportedKernel(host.files)
  if (!device) {
    throw new PluginError({ kind: 'config', issues: [{ key: 'deviceID', problem: 'is missing' }] })
  }
  const endChoice = host.phases.begin('choose')
  try {
    await requireNewAttachment(host, args)
    using hostRtnl = openRtnl(host)
    return await withDevice({ host, hostRtnl }, conf, device, (location, lock, seen) => {
      endChoice()
      host.story.device = location.address
      return attachVf(host, { args, conf, location, pod, lock, hostRtnl, seen })
    })
  } finally {
    endChoice()
  }
}
