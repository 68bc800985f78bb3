/** Brings the RDMA device of a function out of the pod, and gives it its old name. */
import { errnoOf, PluginError } from '../../errors.js'
import { pollUntil } from '../../host/poll.js'
import type { OpenedNetns } from '../../host/ports.js'
import { hardwareRdmaOf, hasHardwareRdma } from '../../pci/driver.js'
import { changeRdma, openRdma, rdmaDeviceAt, rdmaDevicesOf } from '../../rtnl/rdma.js'
import type { RecordedRdma } from '../../state/record.js'
import { openRecordedNetns, searchRecordedNetns } from '../users/pod-netns.js'
import { NETNS_CLEANUP } from '../users/tenancy.js'
import type { Release } from './releasing.js'

/** Moves the device to the host; false when it is not in this namespace. @throws PluginError kind `kernel` */
async function moveOutOf(
  { host, record, target }: Release,
  { index }: RecordedRdma,
  opened: OpenedNetns | undefined,
): Promise<boolean> {
  if (!opened) {
    return false
  }
  using pod = opened
  using rdma = openRdma(host, pod)
  // By its index: a pod may have given it another name.
  const device = await rdmaDeviceAt(rdma, index)
  if (!device) {
    return false
  }
  try {
    await changeRdma(
      rdma,
      index,
      { netnsFd: host.kernel.ownNetns().fd },
      {
        operation: `move the RDMA device out of ${pod.path}`,
        target: `${device.name} of ${target}`,
        driver: record.driver,
      },
    )
  } catch (error) {
    // The namespace has ended just now: the kernel brings the device home.
    if (errnoOf(error) === 'ENODEV' || errnoOf(error) === 'EINVAL') {
      return false
    }
    throw error
  }
  return true
}

/**
 * Brings the RDMA device to the host, from whatever namespace has it; the kernel does so when that namespace ends. A
 * function that has none any more (its driver was loaded anew, say) has nothing to give back.
 * @throws PluginError kinds `device`, `kernel`
 */
export async function bringRdmaHome(release: Release): Promise<void> {
  const { host, record, netnsPaths, target } = release
  const { rdma: device, deviceId } = record
  if (!device) {
    return
  }
  let isFirst = true
  const bringHome = async () => {
    const isSearched = isFirst
    isFirst = false
    return hardwareRdmaOf(host.files, deviceId) !== undefined ||
      !hasHardwareRdma(host.files, deviceId) ||
      (await moveOutOf(release, device, openRecordedNetns(host, record, netnsPaths))) ||
      // This search reads all of /proc: only the first round does it.
      (isSearched && (await moveOutOf(release, device, searchRecordedNetns(host, record))))
      ? true
      : undefined
  }
  const found = await host.phases.during('move', () => pollUntil(host.clock, NETNS_CLEANUP, bringHome))
  if (!found) {
    throw new PluginError({
      kind: 'device',
      message: `the RDMA device ${device.name} of ${target} is neither on the host nor in ${record.netns.path}; does a process still hold a namespace that has it?`,
    })
  }
}

/** Gives the RDMA device its old name. A name that another one has by now is logged. @throws PluginError kind `kernel` */
export async function renameRdma({ host, record, target }: Release): Promise<void> {
  const { rdma: recorded, deviceId, driver } = record
  const name = hardwareRdmaOf(host.files, deviceId)
  if (!recorded || name === undefined || name === recorded.name) {
    return
  }
  using rdma = openRdma(host)
  const device = (await rdmaDevicesOf(rdma)).find((one) => one.name === name)
  if (!device) {
    return
  }
  try {
    const about = { operation: `rename it to ${recorded.name}`, target: `${name} of ${target}`, driver }
    await changeRdma(rdma, device.index, { name: recorded.name }, about)
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') {
      throw error
    }
    host.log.warning('the RDMA device cannot have its old name, another one has it by now', {
      device: deviceId,
      name: recorded.name,
    })
  }
}
