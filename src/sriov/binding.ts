/** Binding a VF to a driver and back: by the operator's tool, or through sysfs. */
import { messageOf, PluginError } from '../errors.js'
import type { FilePort, Host, Lock } from '../host/ports.js'
import type { PciAddress } from '../pci/address.js'
import {
  bindToDriver,
  canReset,
  deviceFilesOf,
  driverExists,
  driverOverrideOf,
  isUserspaceDriver,
  resetFunction,
  unbind,
  writeDriverOverride,
} from '../pci/driver.js'
import { deviceExists, driverOf, netdevsOf } from '../pci/functions.js'
import { processesThat } from '../state/open-files.js'
import type { Release } from './releasing.js'

const TOOL_TIMEOUT_MS = 60_000
const MODPROBE_TIMEOUT_MS = 30_000
/** The processes of a killed pod take their time to end. */
const USER_TIMEOUT_MS = 5_000
/** igbvf makes its interface at once; iavf asks its PF first, for seconds. */
const NETDEV_TIMEOUT_MS = 20_000
const PAUSE_MS = 20

/** Where modprobe(8) may be: no PATH is to be trusted. */
const MODPROBES = ['/sbin/modprobe', '/usr/sbin/modprobe', '/bin/modprobe', '/usr/bin/modprobe']
/** dpdk-devbind.py is started by env(1), and calls lspci. */
const TOOL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Makes sure that a driver is loaded, by modprobe where there is one. @returns whether it is */
export async function loadDriver({ files, processes, log }: Host, driver: string): Promise<boolean> {
  const modprobe = MODPROBES.find((path) => files.isExecutable(path))
  if (driverExists(files, driver) || modprobe === undefined) {
    return driverExists(files, driver)
  }
  log.info('loading a driver', { driver })
  const environment = { PATH: TOOL_PATH }
  const child = processes.start({ path: modprobe, args: [driver], environment, keepsStderr: true })
  const { status, stderr } = await child.wait(MODPROBE_TIMEOUT_MS)
  if (status !== 0) {
    log.info('modprobe failed', { driver, status, stderr: stderr.trim() })
  }
  return driverExists(files, driver)
}

/** The processes that have a function open by vfio or uio, as an operator knows them. */
export function usersOfFunction(files: FilePort, address: PciAddress): readonly string[] {
  const paths = new Set(deviceFilesOf(files, address))
  return paths.size === 0 ? [] : processesThat(files, (_pid, _fd, target) => paths.has(target))
}

/** Whether a program in user space may have the function: bound for one, or being taken from it right now. */
const mayHaveUser = (files: FilePort, address: PciAddress): boolean => {
  const driver = driverOf(files, address)
  return driver === undefined || isUserspaceDriver(driver)
}

/** Waits a little for the last user to end: unbinding would wait for it without limit, and no signal would end that. */
async function awaitNoUser({ files, clock }: Host, address: PciAddress, target: string): Promise<void> {
  const deadline = clock.nowMs() + USER_TIMEOUT_MS
  while (mayHaveUser(files, address)) {
    const users = usersOfFunction(files, address)
    if (users.length === 0) {
      return
    }
    if (clock.nowMs() >= deadline) {
      throw new PluginError({
        kind: 'device',
        message: `${target} (driver ${driverOf(files, address) ?? 'none'}) is still used by ${users.join(' and ')}: it cannot be bound to another driver before that ends`,
      })
    }
    await clock.sleep(PAUSE_MS)
  }
}

/** A binding to make. */
export interface Binding {
  readonly address: PciAddress
  /** "" for none. */
  readonly driver: string
  /** What sysfs is to hold as driver_override afterwards. */
  readonly driverOverride: string
  readonly tool?: string
  readonly lock: Lock
  /** How error messages call the function. */
  readonly target: string
}

const isBoundTo = (files: FilePort, { address, driver }: Pick<Binding, 'address' | 'driver'>): boolean =>
  (driverOf(files, address) ?? '') === driver

const restoreOverride = async (files: FilePort, address: PciAddress, wanted: string): Promise<void> => {
  if (driverOverrideOf(files, address) !== wanted) {
    await writeDriverOverride(files, address, wanted)
  }
}

/** Calls the tool as dpdk-devbind.py wants it; returns what it said. An override of another would keep it from binding. */
async function bindByTool({ files, processes }: Host, tool: string, binding: Binding): Promise<string> {
  const { driver, address, lock } = binding
  const args = ['-b', driver, address]
  try {
    await restoreOverride(files, address, '')
    const child = processes.start({ path: tool, args, environment: { PATH: TOOL_PATH }, held: lock, keepsStderr: true })
    const { status, stdout, stderr } = await child.wait(TOOL_TIMEOUT_MS)
    const words = (stderr.trim() || stdout.trim()).replace(/\s*\n\s*/g, '; ')
    return `${[tool, ...args].join(' ')}: exit status ${status}${words === '' ? '' : `: ${words}`}`
  } catch (error) {
    return messageOf(error)
  }
}

/** Binds through sysfs; returns what was refused. */
async function bindBySysfs({ files }: Host, { address, driver }: Binding): Promise<string> {
  try {
    await bindToDriver(files, address, driver)
    return `the driver ${driver} does not take it (the kernel log may say why)`
  } catch (error) {
    return messageOf(error)
  }
}

/**
 * Binds a function to a driver: by the tool where there is one, else through sysfs. What counts is the driver it has
 * then, whatever the tool says of itself.
 * @throws PluginError kind `device` saying who refused what; kind `kernel`
 */
export async function bind(host: Host, binding: Binding): Promise<void> {
  const { files, log } = host
  const { address, driver, driverOverride, tool, target } = binding
  await awaitNoUser(host, address, target)
  const how = tool === undefined ? await bindBySysfs(host, binding) : await bindByTool(host, tool, binding)
  await restoreOverride(files, address, driverOverride)
  if (!isBoundTo(files, binding)) {
    const now = driverOf(files, address)
    throw new PluginError({
      kind: 'device',
      message: `cannot bind ${target} to ${driver || 'no driver'}: ${how}; it is bound to ${now ?? 'no driver'} now`,
    })
  }
  log.debug('bound', { address, driver, by: tool ?? 'sysfs' })
}

/** Resets a VF where it was asked for and the device offers it; one that cannot be reset still goes back. */
async function resetWhenWanted({ host, record, target }: Release): Promise<void> {
  const { files, log } = host
  const { deviceId, flr } = record
  if (flr !== true) {
    return
  }
  if (!canReset(files, deviceId)) {
    log.warning('flr: the device has no reset of its own', { device: target })
    return
  }
  try {
    if (!mayHaveUser(files, deviceId)) {
      await unbind(files, deviceId)
    }
    await resetFunction(files, deviceId)
  } catch (error) {
    log.warning('flr: the device could not be reset', { device: target, error: messageOf(error) })
  }
}

/** The driver makes a new interface, some drivers after a while. @throws PluginError kind `device` when none comes */
async function awaitNetdev({ host: { files, clock }, record: { deviceId }, target }: Release): Promise<void> {
  const deadline = clock.nowMs() + NETDEV_TIMEOUT_MS
  while (netdevsOf(files, deviceId).length === 0) {
    if (clock.nowMs() >= deadline) {
      throw new PluginError({
        kind: 'device',
        message: `${target} is bound to ${driverOf(files, deviceId) ?? 'no driver'} again, but that made no network interface within ${NETDEV_TIMEOUT_MS / 1000} s`,
      })
    }
    await clock.sleep(PAUSE_MS)
  }
}

async function bindBackBy(host: Host, binding: Binding, tool: string | undefined): Promise<void> {
  if (binding.driver !== '' && !(await loadDriver(host, binding.driver))) {
    host.log.warning('the driver of the VF is not loaded', { driver: binding.driver })
  }
  if (tool !== undefined && binding.driver !== '') {
    try {
      await bind(host, { ...binding, tool })
      return
    } catch (error) {
      host.log.warning('dpdk_tool did not bind the VF back; through sysfs then', { error: messageOf(error) })
    }
  }
  await bind(host, binding)
}

/**
 * Gives a VF its driver back, reset where that is wanted, and waits for the network interface that this makes; nothing
 * is done where it has it. A tool that is gone, or fails, is no reason to keep the VF.
 * @throws PluginError kinds `device`, `kernel`
 */
export async function bindBack(release: Release): Promise<void> {
  const { host, record, lock, target } = release
  const { files } = host
  const { deviceId: address, dpdk, flr, original } = record
  // A record of another plugin may not tell the driver: the VF has the right one then.
  const driver = dpdk?.kernelDriver ?? (record.driver || driverOf(files, address))
  if (driver === undefined || !deviceExists(files, address)) {
    return
  }
  const driverOverride = dpdk?.driverOverride ?? driverOverrideOf(files, address)
  if (flr === true || dpdk || !isBoundTo(files, { address, driver })) {
    await awaitNoUser(host, address, target)
    await resetWhenWanted(release)
  }
  const isRebound = !isBoundTo(files, { address, driver })
  if (isRebound) {
    await bindBackBy(host, { address, driver, driverOverride, lock, target }, dpdk?.tool)
  }
  await restoreOverride(files, address, driverOverride)
  if ((isRebound || dpdk) && original.netdev.name !== '') {
    await awaitNetdev(release)
  }
}
