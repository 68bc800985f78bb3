import type { CallArgs } from '../cni/args.js'
import type { NetConf, ParsedNetConf } from '../cni/conf/netconf.js'
import { withAttachments } from '../cni/conf/netconf-rules.js'
import { parseJsonObject, valueAt } from '../cni/json.js'
import { messageOf, PluginError } from '../errors.js'
import type { Lock } from '../host/ports.js'
import { ipamCall, ipamGc } from '../ipam.js'
import { isUnfinished, repairClaim, repairMark } from '../sriov/allocation/repair.js'
import { type ReleaseOptions, releaseAttachment } from '../sriov/give-back/release.js'
import { holderOf } from '../sriov/users/ownership.js'
import { awaitTenancy } from '../sriov/users/tenancy.js'
import { isSameFile, tidyStateFolder } from '../state/attachments.js'
import { claimedVfs, readClaim } from '../state/claims.js'
import { type CallHost, requireTrustedState } from '../state/folder.js'
import { allAttachments, tornRecords } from '../state/listing.js'
import { withFreeAttachment, withLockedAttachment } from '../state/locked-attachment.js'
import { markedVfs } from '../state/marks.js'
import type { AttachmentRecord } from '../state/record.js'
import { givingBack } from './journal.js'

/** Whether the runtime lists an attachment as valid. Undefined when it says nothing about it. */
function isValid({ name, validAttachments }: NetConf, record: AttachmentRecord): boolean | undefined {
  return record.network === name ? validAttachments?.some((known) => isSameFile(known, record)) : undefined
}

/**
 * How to free the lease of an attachment. The Go sriov-cni recorded only the type of `ipam`. This call's configuration
 * has the rest, if it is for the same network.
 */
function leaseOf(
  { environment }: CallArgs,
  { name, ipamType, text }: NetConf,
  record: AttachmentRecord,
): Omit<ReleaseOptions, 'lock'> {
  const { ipam, network, netns } = record
  if (!ipam || netns.inode !== '' || network !== name || ipam.type !== ipamType) {
    return {}
  }
  // Keep the CNI version of the record: the plugin that gave the lease need not support that of the GC call.
  const stdin = JSON.stringify({
    ...parseJsonObject(ipam.stdin, 'the record'),
    ipam: valueAt(parseJsonObject(text, 'stdin'), 'ipam'),
  })
  return { ipam: ipamCall(ipam.type, stdin, { ...environment, ...ipam.environment }) }
}

const giveBack = (host: CallHost, record: AttachmentRecord, options: ReleaseOptions): Promise<void> =>
  givingBack(host, { verb: 'GC', device: record.deviceId, record }, () => releaseAttachment(host, record, options))

async function collectAttachment(
  host: CallHost,
  args: CallArgs,
  conf: NetConf,
  found: AttachmentRecord,
): Promise<void> {
  const { name } = conf
  const collect = (record: AttachmentRecord, lock: Lock) =>
    giveBack(host, record, { ...leaseOf(args, conf, record), lock, isOnDisk: true })
  // An intent belongs to an ADD that never returned a result: no runtime can mean it.
  if (found.phase !== 'intent' && isValid(conf, found)) {
    return
  }
  if (isUnfinished(host, found)) {
    // A call that holds the lock of the VF is alive and at work: leave it alone.
    return withFreeAttachment(host, found, async (record, lock) => {
      if (isUnfinished(host, record)) {
        await collect(record, lock)
      }
    })
  }
  const isGarbage = async (record: AttachmentRecord): Promise<boolean> =>
    record.network === name && !(isValid(conf, record) ?? (await awaitTenancy(host, record)) === 'used')
  if (await isGarbage(found)) {
    // Ask again under the lock: an ADD of the same name may have come meanwhile.
    await withLockedAttachment(host, found, async (record, lock) => {
      if (await isGarbage(record)) {
        await collect(record, lock)
      }
    })
  }
}

/**
 * The attachments of this network that still have a VF although the runtime does not list them: one that could not be given
 * back, or of an ADD at work.
 */
function keptAttachments(host: CallHost, conf: NetConf): readonly AttachmentRecord[] {
  const claims = claimedVfs(host.files).flatMap((deviceId) => readClaim(host.files, deviceId) ?? [])
  return [...allAttachments(host.state), ...claims].filter(
    (record) => isValid(conf, record) === false && record.phase !== 'released',
  )
}

/**
 * Runs the GC of the IPAM plugin. Only with a list: without one, the plugin would free every lease. What has not been given
 * back keeps its lease, too: its pod may still use the address.
 */
async function collectLeases(host: CallHost, { environment }: CallArgs, conf: NetConf): Promise<void> {
  const { ipamType, text, validAttachments } = conf
  if (ipamType === undefined || !validAttachments) {
    return
  }
  const kept = keptAttachments(host, conf)
  const stdin = kept.length === 0 ? text : withAttachments(text, [...validAttachments, ...kept])
  await ipamGc(host, ipamCall(ipamType, stdin, environment))
}

/**
 * GC: releases the attachments of this network that the runtime no longer knows. Without a list, it releases those
 * whose pod is provably dead. In every network it repairs what dead calls and an earlier boot left: unfinished
 * attachments, VFs whose record is lost, and marks of dead pods. What `isSpared` names is left alone.
 * @throws PluginError kind `release` naming what could not be given back, after trying all
 */
export async function gc(
  host: CallHost,
  args: CallArgs,
  { conf }: ParsedNetConf,
  isSpared: (record: AttachmentRecord) => boolean = () => false,
): Promise<void> {
  const { files } = host
  const { name } = conf
  const problems: string[] = []
  const attempt = async (what: string, work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      problems.push(`${what}: ${messageOf(error)}`)
    }
  }
  requireTrustedState(host.state)
  tidyStateFolder(host.state)
  for (const path of tornRecords(files)) {
    await attempt(path, async () => files.remove(path))
  }
  for (const found of allAttachments(host.state).filter((record) => !isSpared(record))) {
    await attempt(holderOf(found), () => collectAttachment(host, args, conf, found))
  }
  for (const deviceId of claimedVfs(files)) {
    await attempt(`the claim on VF ${deviceId}`, () =>
      repairClaim(
        host,
        deviceId,
        (claim) => isValid(conf, claim) ?? true,
        async (claim, lock) => {
          if (!isSpared(claim)) {
            await giveBack(host, claim, { lock })
          }
        },
      ),
    )
  }
  for (const deviceId of markedVfs(files)) {
    await attempt(`the mark of VF ${deviceId}`, () => repairMark(host, deviceId))
  }
  await attempt('IPAM', () => collectLeases(host, args, conf))
  if (problems.length > 0) {
    throw new PluginError({ kind: 'release', target: `network ${name}`, problems })
  }
}
