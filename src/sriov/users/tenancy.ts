import { pollUntil } from '../../host/poll.js'
import type { FilePort, Host } from '../../host/ports.js'
import { isSameView, seesAllProcesses, viewOf } from '../../node/namespaces.js'
import { isInUserspace } from '../../pci/driver.js'
import { deviceExists, driverOf } from '../../pci/functions.js'
import { openRtnl } from '../../rtnl/connection.js'
import { recordOfClaim } from '../../state/attachments.js'
import type { CallHost } from '../../state/folder.js'
import type { AttachmentRecord } from '../../state/record.js'
import { netdevOnHost } from '../device/netdev-on-host.js'
import { findNetdev, traceOf } from '../netdev/move.js'
import { usersOfFunction } from './function-users.js'
import { isOfThisBoot } from './ownership.js'
import { openRecordedNetns, searchRecordedNetns } from './pod-netns.js'

/**
 * `unseen`: the VF is neither on the host nor in any namespace that is visible from here. If the kernel is dismantling
 * its namespace, it returns the VF within milliseconds. If another mount or PID namespace hides the namespace, the VF
 * stays there.
 */
export type Tenancy = 'used' | 'free' | 'unseen'

/** The kernel dismantles a dead namespace in the background. */
export const NETNS_CLEANUP = { timeoutMs: 3_000, pauseMs: 10 }

const hasNetdevOnHost = (files: FilePort, record: AttachmentRecord): boolean =>
  netdevOnHost(files, record) !== undefined

const opensRecordedNetns = (host: Host, record: AttachmentRecord): boolean => {
  using netns = openRecordedNetns(host, record)
  return netns !== undefined
}

/** Whether the recorded namespace lives on in a process or a mount after its path is gone, and has the VF. */
async function isInHiddenNetns(host: Host, record: AttachmentRecord): Promise<boolean> {
  using netns = searchRecordedNetns(host, record)
  if (!netns) {
    return false
  }
  using rtnl = openRtnl(host, netns)
  return (await findNetdev(rtnl, traceOf(record))) !== undefined
}

/**
 * The tenancy of a VF on a user space driver. Such a VF is in no namespace. Its pod is alive while the pod's namespace
 * exists, or while a process has the VF open. Only a view as wide as that of the ADD can rule out both.
 */
async function tenancyInUserspace(host: Host, record: AttachmentRecord): Promise<Tenancy> {
  const { files } = host
  // intel's plugin 0.x recorded no path: the pod counts as alive until its DEL.
  if (
    record.netns.path === '' ||
    opensRecordedNetns(host, record) ||
    (await usersOfFunction(host, record.deviceId)).length > 0
  ) {
    return 'used'
  }
  const view = viewOf(files)
  if (!record.view || isSameView(view, record.view)) {
    return 'free'
  }
  using hidden = searchRecordedNetns(host, record)
  return !hidden && seesAllProcesses(view) ? 'free' : 'unseen'
}

async function tenancyOfNetdev(host: Host, record: AttachmentRecord): Promise<Tenancy> {
  const { files } = host
  if (opensRecordedNetns(host, record) || (await isInHiddenNetns(host, record))) {
    return 'used'
  }
  const driver = driverOf(files, record.deviceId)
  const isOnOtherDriver = driver === undefined || (record.driver !== '' && driver !== record.driver)
  return isOnOtherDriver ? 'free' : 'unseen'
}

/**
 * Whether an ADD finished. The claim of an attached VF still says `intent`, so it does not tell once the record is
 * lost. The ADD then counts as finished, and the place of its device decides: a pod can have it only when it has left
 * the host.
 */
const isComplete = ({ state }: CallHost, record: AttachmentRecord): boolean =>
  record.phase === 'attached' || (record.phase === 'intent' && !recordOfClaim(state, record))

/**
 * Whether a pod has the VF of an attachment: the ADD finished, no release has begun, and the VF is not on the host.
 * Changes nothing and does not wait.
 * @throws PluginError kind `netns` when nobody can tell
 */
export async function tenancyOf(host: CallHost, record: AttachmentRecord): Promise<Tenancy> {
  const { files } = host
  const { deviceId } = record
  if (
    !isComplete(host, record) ||
    !isOfThisBoot(host, record) ||
    !deviceExists(files, deviceId) ||
    hasNetdevOnHost(files, record)
  ) {
    return 'free'
  }
  return record.dpdk || isInUserspace(files, deviceId)
    ? tenancyInUserspace(host, record)
    : tenancyOfNetdev(host, record)
}

/** Until when a call waits for dead namespaces: 3 s in all, however many VFs it looks at. */
const deadlines = new WeakMap<CallHost, number>()

/**
 * Whether a pod has the VF of an attachment. Waits until the kernel has dismantled a dead namespace, up to 3 s in all of a
 * call. A VF that stays out of sight counts as used.
 * @throws PluginError kind `netns` when nobody can tell
 */
export async function awaitTenancy(host: CallHost, record: AttachmentRecord): Promise<'used' | 'free'> {
  const tenancy = await tenancyOf(host, record)
  if (tenancy !== 'unseen') {
    return tenancy
  }
  const nowMs = host.clock.nowMs()
  const deadlineMs = deadlines.get(host) ?? nowMs + NETNS_CLEANUP.timeoutMs
  deadlines.set(host, deadlineMs)
  const limits = { ...NETNS_CLEANUP, timeoutMs: Math.max(0, deadlineMs - nowMs) }
  const isHome = await pollUntil(host.clock, limits, () => hasNetdevOnHost(host.files, record) || undefined)
  return isHome ? 'free' : 'used'
}
