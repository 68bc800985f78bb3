import type { NetConf } from '../../cni/conf/netconf.js'
import type { CniResult, ResultInterface } from '../../cni/result.js'
import { messageOf, PluginError } from '../../errors.js'
import { ipamCall, type PendingIpam, startIpamAdd } from '../../ipam.js'
import { openRtnl } from '../../rtnl/connection.js'
import { together } from '../../rtnl/together.js'
import { commitAttachment, commitIntent, type PreparedRecord, prepareAttachment } from '../../state/attachments.js'
import type { CallHost } from '../../state/folder.js'
import { writeMark } from '../../state/marks.js'
import type { AttachmentRecord } from '../../state/record.js'
import { reclaimRivals } from '../allocation/occupancy.js'
import { writeDeviceInfo } from '../device/device-info.js'
import { describeDevice } from '../device/locate.js'
import { setUpRepresentor } from '../device/representor.js'
import { releaseAttachment } from '../give-back/release.js'
import { configureAddresses } from '../netdev/addresses.js'
import type { Attachment, AttachRequest, Findings, Progress } from './attachment.js'
import { setUpDpdk } from './dpdk.js'
import { inspect } from './inspect.js'
import { intentOf } from './intent.js'
import { type PodNetdevs, podInterface, setUpNetdev } from './pod-netdev.js'
import { moveRdmaIn } from './rdma.js'

/** IPAM plugins that work on the interface in the pod. All others run while it is being moved. */
const NEED_INTERFACE = new Set(['dhcp'])

/** Starts the IPAM plugin, if there is one and this is the stage at which it runs. @throws PluginError kind `ipam` */
function startLease({ host, ipam, lock }: Attachment, progress: Progress, hasInterface: boolean): void {
  if (ipam && !progress.lease && NEED_INTERFACE.has(ipam.type) === hasInterface) {
    progress.lease = startIpamAdd(host, ipam, lock)
  }
}

/** The interfaces for the result, and the link in the pod if there is one. */
type SetUpDevice = Omit<PodNetdevs, 'link'> & Partial<PodNetdevs>

async function setUpDevice(attachment: Attachment, findings: Findings, progress: Progress): Promise<SetUpDevice> {
  const { netdev, dpdk } = findings
  return dpdk
    ? { interfaces: [await setUpDpdk(attachment, findings, dpdk, progress)] }
    : attachment.host.phases.during('netdev', () => setUpNetdev(attachment, findings, netdev, progress))
}

async function change(
  attachment: Attachment,
  findings: Findings,
  progress: Progress,
  ipamStarted: Promise<void>,
): Promise<CniResult> {
  const { host, conf, pod, podRtnl, hostRtnl } = attachment
  const { link, interfaces } = await setUpDevice(attachment, findings, progress)
  await moveRdmaIn(attachment, findings, progress)
  const { representor } = findings
  const port = representor && (await setUpRepresentor(hostRtnl, representor, link?.mtu ?? representor.mtu))
  // Add it only beside an interface in the pod: Multus rejects a result with several interfaces of which none is in the
  // pod.
  const ports = port && link ? [port] : []
  await ipamStarted
  startLease(attachment, progress, true)
  const leased = await progress.lease?.result()
  if (leased && link) {
    const podNetdev = { netns: pod, rtnl: podRtnl, link }
    await host.phases.during('netdev', () => configureAddresses(host, podNetdev, leased))
  }
  return resultOf(conf, [...interfaces, ...ports], leased)
}

const resultOf = (
  { dns }: NetConf,
  interfaces: readonly ResultInterface[],
  leased: CniResult | undefined,
): CniResult => ({
  interfaces: [...interfaces],
  ips: (leased?.ips ?? []).map((ip) => ({ ...ip, interface: 0 })),
  routes: leased?.routes ?? [],
  dns: leased && Object.keys(leased.dns).length > 0 ? leased.dns : (dns ?? {}),
})

const attached = (record: AttachmentRecord, result: CniResult): AttachmentRecord => ({
  ...record,
  phase: 'attached',
  result: { ...result },
})

/**
 * Reads the lease, and writes the last record beside its place, while the VF moves: as it will be if the interface has the
 * MAC and the MTU that it was told. Undefined where that cannot be foreseen, or could not be written.
 */
async function prepareEnd(
  attachment: Attachment,
  { netdev, dpdk, second, representor }: Findings,
  progress: Progress,
  ipamStarted: Promise<void>,
): Promise<PreparedRecord | undefined> {
  const { host, conf } = attachment
  try {
    await ipamStarted
    const leased = await progress.lease?.result()
    if (
      dpdk ||
      second ||
      representor ||
      (attachment.ipam?.type !== undefined && NEED_INTERFACE.has(attachment.ipam.type))
    ) {
      return undefined
    }
    const link = { mac: conf.vf.mac ?? netdev.mac, mtu: conf.netdev.mtu ?? netdev.mtu }
    return await prepareAttachment(
      host.state,
      attached(progress.record, resultOf(conf, [podInterface(attachment, link)], leased)),
    )
  } catch {
    // Whoever needs it meets the same error, and tells it.
    return undefined
  }
}

/**
 * Whether there is certainly no lease: no ADD was started, or the plugin itself reported that it failed. A plugin that
 * was killed, or that printed no result, may have left a lease.
 */
async function isLeaseRefused(lease: PendingIpam | undefined): Promise<boolean> {
  try {
    await lease?.result()
    return lease === undefined
  } catch (error) {
    return error instanceof PluginError && error.fault.kind === 'ipam' && error.fault.isRefusal === true
  }
}

/** Undoes an ADD that failed. What cannot be undone is logged, and its record stays for the next DEL or GC. */
async function undo({ host, location, pod, ipam, lock }: Attachment, { record, lease }: Progress): Promise<void> {
  try {
    await releaseAttachment(host, record, {
      lock,
      isOnDisk: true,
      ipam,
      isLeaseRefused: await isLeaseRefused(lease),
      // Open since the ADD began: the path itself may be gone meanwhile.
      netnsPaths: [`/proc/self/fd/${pod.fd}`],
    })
  } catch (error) {
    host.log.error('a failed ADD could not be undone entirely; the next DEL goes on', {
      device: describeDevice(location),
      error: messageOf(error),
    })
  }
}

/** Fails the ADD when its runtime has given up: the pod must not keep its VF. @throws PluginError kind `tryAgain` */
function requireCaller({ caller }: CallHost): void {
  if (caller.isGone()) {
    throw new PluginError({ kind: 'tryAgain', message: 'the caller has gone; its ADD is undone' })
  }
}

async function attachWith(attachment: Attachment): Promise<CniResult> {
  const { host, pod } = attachment
  const findings = await inspect(attachment)
  const intent = intentOf(attachment, findings)
  const { onDisk } = commitIntent(host.state, intent)
  const progress: Progress = { record: intent }
  let preparing: Promise<PreparedRecord | undefined> | undefined
  try {
    // Before the first change: the mark tells the Go sriov-cni that a pod has the VF, even when we are killed.
    writeMark(host.files, intent.deviceId, pod.path)
    await host.phases.during('choose', () => reclaimRivals(host, attachment.location))
    writeDeviceInfo(host.files, intent)
    // The disk may work while the kernel does. A lease must not be there before the disk knows of it.
    const started = host.kernel.duringRequest(async () => {
      await onDisk
      startLease(attachment, progress, false)
    })
    if (host.kernel.hasThreads) {
      preparing = prepareEnd(attachment, findings, progress, started)
    } else {
      await started
    }
    const [, result] = await together([started, change(attachment, findings, progress, started)])
    requireCaller(host)
    const [prepared, record] = [await preparing, attached(progress.record, result)]
    await (prepared ? prepared.commit(record) : commitAttachment(host.state, record))
    return result
  } catch (error) {
    await undo(attachment, progress)
    throw error
  } finally {
    ;(await preparing)?.[Symbol.dispose]()
  }
}

/**
 * Gives a free VF to a pod: writes the intent to disk, makes the changes, then writes the record. The caller holds the
 * lock of the VF and has made sure that nobody else uses it.
 * @throws PluginError with everything undone
 */
export async function attachVf(host: CallHost, request: AttachRequest): Promise<CniResult> {
  const { ipamType, text } = request.conf
  const ipam = ipamType === undefined ? undefined : ipamCall(ipamType, text, request.args.environment)
  using podRtnl = openRtnl(host, request.pod)
  return await attachWith({ ...request, ...(ipam && { ipam }), host, podRtnl })
}
