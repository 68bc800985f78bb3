import type { CallArgs } from '../cni/args.js'
import type { NetConf } from '../cni/conf/netconf.js'
import { parseJsonObject, valueAt } from '../cni/json.js'
import { messageOf, PluginError } from '../errors.js'
import type { Lock } from '../host/ports.js'
import { ipamCall, ipamDel } from '../ipam.js'
import type { GovernedNetConf } from '../policy/govern.js'
import { type ReleaseOptions, releaseAttachment } from '../sriov/give-back/release.js'
import { loadAttachment, recordPath, setAsideAttachment, tidyStateFolder } from '../state/attachments.js'
import { claimsOf, readClaim } from '../state/claims.js'
import { type CallHost, requireTrustedState } from '../state/folder.js'
import { withVfLock } from '../state/lock.js'
import { withLockedAttachment } from '../state/locked-attachment.js'
import { type AttachmentRecord, type IpamCall, isSameKey } from '../state/record.js'

const ipamOf = ({ ipamType, text }: NetConf, { environment }: CallArgs): IpamCall | undefined =>
  ipamType === undefined ? undefined : ipamCall(ipamType, text, environment)

/** What says which lease an IPAM plugin frees, and in which words it is asked. */
const LEASE_KEYS = ['name', 'cniVersion', 'ipam'] as const

function meansSameLease(one: string, other: string): boolean {
  const lease = (text: string) => {
    const conf = parseJsonObject(text, 'a configuration')
    return JSON.stringify(LEASE_KEYS.map((key) => valueAt(conf, key) ?? null))
  }
  return one === other || lease(one) === lease(other)
}

/**
 * How to call the IPAM plugin that gave the lease: as this call says, or as the ADD did, where the configuration has been
 * changed since. What this call says is then tried second: it may mend what the plugin needs. Of an attachment of the Go
 * sriov-cni the record has the type only.
 */
function ipamToCall(
  conf: NetConf,
  args: CallArgs,
  record: AttachmentRecord,
): Pick<ReleaseOptions, 'ipam' | 'otherIpam'> {
  const { ipam, netns } = record
  const now = ipamOf(conf, args)
  if (!ipam || ipam.type !== now?.type) {
    return { ipam }
  }
  return netns.inode === '' || meansSameLease(ipam.stdin, now.stdin) ? { ipam: now } : { ipam, otherIpam: now }
}

/**
 * Without a record there may still be a lease. A refusal of the IPAM plugin is logged and is no error: nothing is known
 * that it would hold.
 */
async function delWithoutRecord(host: CallHost, conf: NetConf, args: CallArgs): Promise<void> {
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
 * Releases the VFs of this attachment by their claims. Its record is lost, damaged, or in another folder than this
 * call's. Returns the number of claims.
 */
async function releaseClaims(
  host: CallHost,
  args: CallArgs,
  optionsFor: (record: AttachmentRecord, lock: Lock) => ReleaseOptions,
): Promise<number> {
  const claims = claimsOf(host.files, args)
  for (const { deviceId } of claims) {
    await withVfLock(host, deviceId, async (lock) => {
      const claim = readClaim(host.files, deviceId)
      if (claim && isSameKey(claim, args)) {
        const read = loadAttachment(host.state, claim)
        const isKept = read?.kind === 'record' && read.record.deviceId === deviceId
        const record = isKept ? read.record : claim
        const how = isKept ? `its record is in ${claim.folder}` : 'its record is lost'
        host.story.device = deviceId
        host.log.warning(`the VF of this attachment is given back by its claim: ${how}`, { deviceId })
        await releaseAttachment(host, record, optionsFor(record, lock))
      }
    })
  }
  return claims.length
}

function putAside(host: CallHost, args: CallArgs, problem: string): void {
  const aside = setAsideAttachment(host.state, args)
  if (aside === undefined) {
    host.log.info('an empty state file was removed: a power cut came while it was written')
  } else {
    host.log.error('a state file that cannot be read was put aside; its VF is not known', { problem, aside })
  }
}

/**
 * DEL: gives the VF back to the host as it was. Succeeds when there is nothing to do. Returns false when nothing was
 * known of the attachment.
 * @throws PluginError kinds `release`, `ipam`, `state`, `tryAgain`; what is left is recorded for the next DEL
 */
export async function del(
  host: CallHost,
  args: CallArgs,
  { conf, issues, refusals }: GovernedNetConf,
): Promise<boolean> {
  requireTrustedState(host.state)
  if (issues.length > 0) {
    host.log.warning('DEL goes on despite an invalid configuration', { issues })
  }
  if (refusals.length > 0) {
    host.log.warning('DEL goes on without what the policy of this node does not allow', { refusals })
  }
  void host.kernel.duringRequest(() => tidyStateFolder(host.state))
  const read = loadAttachment(host.state, args)
  const optionsFor = (record: AttachmentRecord, lock: Lock): ReleaseOptions => ({
    lock,
    ...ipamToCall(conf, args, record),
    netnsPaths: args.netnsPath === '' ? [] : [args.netnsPath],
  })
  if (read?.kind === 'record') {
    host.story.device = read.record.deviceId
    await withLockedAttachment(
      host,
      args,
      (record, lock) => releaseAttachment(host, record, { ...optionsFor(record, lock), isOnDisk: true }),
      read.record,
    )
    return true
  }
  const isNewer = read?.kind === 'foreign' && read.of === 'version'
  if (!isNewer && (await releaseClaims(host, args, optionsFor)) > 0) {
    return true
  }
  if (read?.kind === 'foreign' && read.of !== 'attachment') {
    throw new PluginError({ kind: 'state', path: recordPath(host.state, args), problem: `${read.problem}; it is kept` })
  }
  if (read?.kind === 'unreadable' && read.isUnsure) {
    throw new PluginError({ kind: 'state', path: recordPath(host.state, args), problem: read.problem })
  }
  if (read?.kind === 'unreadable') {
    putAside(host, args, read.problem)
  }
  await delWithoutRecord(host, conf, args)
  return false
}
