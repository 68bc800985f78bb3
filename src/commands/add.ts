import type { CallArgs } from '../cni/args.js'
import { type NetConf, type ParsedNetConf, requireValid } from '../cni/netconf.js'
import type { CniResult } from '../cni/result.js'
import { messageOf, PluginError } from '../errors.js'
import type { Host, Netns } from '../host/ports.js'
import { attachVf } from '../sriov/attach.js'
import { describeVf, locateVf, type VfLocation } from '../sriov/locate.js'
import { holderOf, holdersOfVf, isInUse } from '../sriov/ownership.js'
import { isNetns } from '../sriov/pod-netns.js'
import { releaseAttachment } from '../sriov/release.js'
import { readMark } from '../state/allocations.js'
import { loadAttachment, recordPath, setAsideAttachment, tidyStateFolder } from '../state/attachments.js'
import { withVfLock } from '../state/lock.js'
import { withLockedAttachment } from '../state/locked-attachment.js'
import type { AttachmentRecord } from '../state/record.js'

/** Undoes what a killed call, or a pod that died without a DEL, left of a VF. The caller holds its lock. */
async function releaseLeftover(host: Host, cniDir: string, record: AttachmentRecord): Promise<void> {
  host.log.info('undoing an unfinished attachment', {
    phase: record.phase,
    holder: holderOf(record),
    device: record.deviceId,
  })
  await releaseAttachment(host, cniDir, record)
  tidyStateFolder(host.files, cniDir)
}

/**
 * The same on behalf of another attachment, which needs the VF and not the lease.
 * @throws PluginError kind `release` when the VF itself could not be given back
 */
async function releaseForNext(host: Host, cniDir: string, record: AttachmentRecord): Promise<void> {
  try {
    await releaseLeftover(host, cniDir, record)
  } catch (error) {
    const left = loadAttachment(host.files, cniDir, record)
    if (left?.kind !== 'record' || left.record.phase !== 'released') {
      throw error
    }
    host.log.warning('the VF is back, a lease is not', { holder: holderOf(record), error: messageOf(error) })
  }
}

/**
 * Makes sure that this attachment is new. An intent under its name is of a killed ADD and is undone.
 * @throws PluginError kinds `alreadyAttached`, `state`, `release`
 */
async function requireNewAttachment(host: Host, cniDir: string, args: CallArgs): Promise<void> {
  const read = loadAttachment(host.files, cniDir, args)
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
  await withLockedAttachment(host, cniDir, args, async (record) => {
    if (await isInUse(host, cniDir, record)) {
      throw new PluginError({
        kind: 'alreadyAttached',
        key: `container ${args.containerId} interface ${args.ifName}`,
        target: `${describeVf(record.vfIndex, record.pf.name)} (${record.deviceId})`,
      })
    }
    await releaseLeftover(host, cniDir, record)
  })
}

/**
 * Makes sure that nobody uses a VF, undoing what the dead left. The caller holds its lock: an intent is of a dead ADD.
 * @throws PluginError kinds `vfInUse`, `release`
 */
async function requireFreeVf(host: Host, cniDir: string, { address, index, pf }: VfLocation): Promise<void> {
  const target = `${describeVf(index, pf.name)} (${address})`
  for (const record of holdersOfVf(host, cniDir, address)) {
    if (await isInUse(host, cniDir, record)) {
      throw new PluginError({ kind: 'vfInUse', target, holder: holderOf(record) })
    }
    if (record.phase !== 'released') {
      await releaseForNext(host, cniDir, record)
    }
  }
  const mark = readMark(host.files, cniDir, address)
  if (mark !== undefined && mark !== '' && isNetns(host, mark)) {
    throw new PluginError({ kind: 'vfInUse', target, holder: `the pod of ${mark}, as ${cniDir}/pci/${address} says` })
  }
}

/** The VF that a configuration names. */
function namedVf({ files }: Host, { deviceId }: NetConf): VfLocation {
  if (deviceId === undefined) {
    throw new PluginError({ kind: 'config', issues: [{ key: 'deviceID', problem: 'is missing' }] })
  }
  return locateVf(files, deviceId)
}

/** ADD: gives a pod its VF. @throws PluginError with nothing changed */
export async function add(host: Host, args: CallArgs, parsed: ParsedNetConf, pod: Netns): Promise<CniResult> {
  const conf = requireValid(parsed)
  const { cniDir } = conf
  const location = namedVf(host, conf)
  await requireNewAttachment(host, cniDir, args)
  return withVfLock(host, cniDir, location.address, async (lock) => {
    await requireFreeVf(host, cniDir, location)
    return attachVf(host, { args, conf, location, pod, lock })
  })
}
