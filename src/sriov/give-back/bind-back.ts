/** Gives a VF the driver back that it had before the ADD. */
import { messageOf, PluginError } from '../../errors.js'
import { pollUntil } from '../../host/poll.js'
import { canReset, driverOverrideOf, isInUserspace, resetFunction, unbind } from '../../pci/driver.js'
import { deviceExists, driverOf, netdevsOf } from '../../pci/functions.js'
import { toolRefusal } from '../../policy/drivers.js'
import type { CallHost } from '../../state/folder.js'
import type { AttachmentRecord } from '../../state/record.js'
import { type Binding, bind, isBoundTo, restoreOverride } from '../driver/binding.js'
import { awaitNoUser } from '../users/function-users.js'
import type { Release } from './releasing.js'

/** igbvf makes its interface at once; iavf asks its PF first, for seconds. */
const NETDEV = { timeoutMs: 20_000, pauseMs: 20 }

/** Resets a VF while no kernel driver has it (see resetFunction()). A VF that cannot be reset still goes back. */
async function reset({ host, record, target }: Release): Promise<void> {
  const { files, log } = host
  const { deviceId, dpdk } = record
  if (!canReset(files, deviceId)) {
    log.warning('flr: the device has no reset of its own', { device: target })
    return
  }
  try {
    const driver = driverOf(files, deviceId)
    if (driver !== undefined && !isInUserspace(files, deviceId) && driver !== dpdk?.driver) {
      await unbind(files, deviceId)
    }
    await resetFunction(files, deviceId)
  } catch (error) {
    log.warning('flr: the device could not be reset', { device: target, error: messageOf(error) })
  }
}

/** Waits for the new interface, which some drivers make late. @throws PluginError kind `device` when none comes */
async function awaitNetdev({ host: { files, clock }, record: { deviceId }, target }: Release): Promise<void> {
  if (!(await pollUntil(clock, NETDEV, () => netdevsOf(files, deviceId).length > 0 || undefined))) {
    throw new PluginError({
      kind: 'device',
      message: `${target} is bound to ${driverOf(files, deviceId) ?? 'no driver'} again, but that made no network interface within ${NETDEV.timeoutMs / 1000} s`,
    })
  }
}

/**
 * The driver that a VF must have after release; undefined where the record does not say. After an ADD that did not
 * finish, it is the driver of before, whatever `kernel_driver` says: no pod ever had the VF.
 */
const driverToRelease = ({ phase, dpdk, driver }: AttachmentRecord): string | undefined =>
  dpdk ? (phase === 'intent' ? driver : dpdk.kernelDriver) : driver || undefined

async function rebind(host: CallHost, binding: Binding, tool: string | undefined): Promise<void> {
  const refusal = tool === undefined ? undefined : toolRefusal(host.files, host.policy, tool)
  if (refusal !== undefined) {
    host.log.warning('dpdk_tool is not run any more; the VF is bound back through sysfs', { refusal })
  } else if (tool !== undefined && binding.driver !== '') {
    try {
      await bind(host, { ...binding, tool })
      return
    } catch (error) {
      host.log.warning('dpdk_tool did not bind the VF back; through sysfs then', { error: messageOf(error) })
    }
  }
  await bind(host, binding)
}

interface DriverToRelease {
  /** "" for none. */
  readonly driver: string
  /** The value of driver_override in sysfs afterwards. */
  readonly driverOverride: string
}

/** Waits for the last user, resets and binds as is needed, and waits for the interface. */
async function changeDriver(release: Release, { driver, driverOverride }: DriverToRelease): Promise<void> {
  const { host, record, lock, target } = release
  const { files } = host
  const { deviceId: address, dpdk, flr, original } = record
  await awaitNoUser(host, address, target)
  if (flr === true) {
    await reset(release)
  }
  const isRebound = !isBoundTo(files, address, driver)
  if (isRebound) {
    await rebind(host, { address, driver, driverOverride, lock, target }, dpdk?.tool)
  }
  await restoreOverride(files, address, driverOverride)
  if ((isRebound || dpdk) && original.netdev.name !== '') {
    await awaitNetdev(release)
  }
}

/**
 * Gives a VF its driver back and waits for the network interface that the driver makes. Resets the VF first, where
 * `flr` asks for it. Does nothing where the VF has its driver. When `dpdk_tool` is gone or fails, sysfs does the job.
 * @throws PluginError kinds `device`, `kernel`
 */
export async function bindBack(release: Release): Promise<void> {
  const { host, record } = release
  const { files } = host
  const { deviceId: address, dpdk, flr } = record
  if (!deviceExists(files, address)) {
    return
  }
  const { driverOverride = driverOverrideOf(files, address) } = record
  // A record that names no driver does not say that the present one is wrong.
  const driver = driverToRelease(record) ?? driverOf(files, address) ?? ''
  if (flr === true || dpdk || !isBoundTo(files, address, driver)) {
    await host.phases.during('driver', () => changeDriver(release, { driver, driverOverride }))
  } else {
    await restoreOverride(files, address, driverOverride)
  }
}
