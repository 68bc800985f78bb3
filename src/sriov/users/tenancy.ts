/** Whether a pod still has the VF of an attachment. */
import { pollUntil } from '../../host/poll.js'
import type { FilePort, Host } from '../../host/ports.js'
import { isSameView, seesAllProcesses, viewOf } from '../../node/namespaces.js'
import { isInUserspace } from '../../pci/driver.js'
import { deviceExists, driverOf, interfaceExists, netdevsOf, uplinkOf } from '../../pci/functions.js'
import { openRtnl } from '../../rtnl/connection.js'
import { recordOfClaim } from '../../state/attachments.js'
import type { HostWithState } from '../../state/folder.js'
import type { AttachmentRecord } from '../../state/record.js'
import { findNetdev, traceOf } from '../netdev/move.js'
import { usersOfFunction } from './function-users.js'
import { isOfThisBoot } from './ownership.js'
import { openRecordedNetns, searchRecordedNetns } from './pod-netns.js'

/**
 * `unseen`: the VF is neither on the host nor in any namespace that can be seen from here. A namespace that the kernel is
 * taking apart returns it within milliseconds; one that another mount or PID namespace hides keeps it.
 */
export type Tenancy = 'used' | 'free' | 'unseen'

/** The kernel takes a dead namespace apart in the background. */
export const NETNS_CLEANUP = { timeoutMs: 3_000, pauseMs: 10 }

/** Whether the interface of an attachment's device is on the host: then no pod has it. */
function hasNetdevOnHost(files: FilePort, { deviceId, pf }: AttachmentRecord): boolean {
  // Beside a PF's own interface the representors of its VFs may stand.
  const name = pf ? netdevsOf(files, deviceId)[0] : uplinkOf(files, deviceId)
  return name !== undefined && interfaceExists(files, name)
}

const opensRecordedNetns = (host: Host, record: AttachmentRecord): boolean => {
  const netns = openRecordedNetns(host, record)
  netns?.close()
  return netns !== undefined
}

/** Whether the recorded namespace, its path having gone, lives on in a process or a mount, and has the VF. */
async function isInHiddenNetns(host: Host, record: AttachmentRecord): Promise<boolean> {
  const netns = searchRecordedNetns(host, record)
  if (!netns) {
    return false
  }
  try {
    const rtnl = openRtnl(host, netns)
    try {
      return (await findNetdev(rtnl, traceOf(record))) !== undefined
    } finally {
      rtnl.close()
    }
  } finally {
    netns.close()
  }
}

/**
 * The tenancy of a VF on a driver of user space, which is in no namespace: its pod is alive while the pod's namespace is,
 * or while a process has the VF open. Only a view as wide as that of the ADD can say that neither is the case.
 */
function tenancyInUserspace(host: Host, record: AttachmentRecord): Tenancy {
  const { files } = host
  // intel's plugin 0.x kept no path: the pod counts as alive until its DEL.
  if (
    record.netns.path === '' ||
    opensRecordedNetns(host, record) ||
    usersOfFunction(files, record.deviceId).length > 0
  ) {
    return 'used'
  }
  const view = viewOf(files)
  if (!record.view || isSameView(view, record.view)) {
    return 'free'
  }
  const hidden = searchRecordedNetns(host, record)
  hidden?.close()
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
 * Whether an ADD came to its end. Of an attachment whose record is lost nobody knows: it did when its device has left the
 * host.
 */
const isComplete = ({ state }: HostWithState, record: AttachmentRecord): boolean =>
  record.phase === 'attached' || (record.phase === 'intent' && !recordOfClaim(state, record))

/**
 * Whether a pod has the VF of an attachment: the ADD came to its end, nobody has begun to give the VF back, and the VF is
 * not on the host. Looks only.
 * @throws PluginError kind `netns` when nobody can tell
 */
export async function tenancyOf(host: HostWithState, record: AttachmentRecord): Promise<Tenancy> {
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

/**
 * Whether a pod has the VF of an attachment. Waits until the kernel has taken a dead namespace apart; what stays out of
 * sight counts as used.
 * @throws PluginError kind `netns` when nobody can tell
 */
export async function awaitTenancy(host: HostWithState, record: AttachmentRecord): Promise<'used' | 'free'> {
  const tenancy = await tenancyOf(host, record)
  if (tenancy !== 'unseen') {
    return tenancy
  }
  const isHome = await pollUntil(host.clock, NETNS_CLEANUP, () => hasNetdevOnHost(host.files, record) || undefined)
  return isHome ? 'free' : 'used'
}
