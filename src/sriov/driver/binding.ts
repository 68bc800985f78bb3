/** Binding a VF to a driver: by the operator's tool, or through sysfs. */
import { messageOf, PluginError } from '../../errors.js'
import type { FilePort, Host, Lock } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { bindToDriver, driverOverrideOf, writeDriverOverride } from '../../pci/driver.js'
import { driverOf } from '../../pci/functions.js'
import { awaitNoUser } from '../users/function-users.js'
import { loadDriver, SYSTEM_PATH } from './driver-loading.js'

const TOOL_TIMEOUT_MS = 60_000

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

export const isBoundTo = (files: FilePort, address: PciAddress, driver: string): boolean =>
  (driverOf(files, address) ?? '') === driver

/** Makes driver_override what it was. @throws PluginError kind `kernel` */
export const restoreOverride = async (files: FilePort, address: PciAddress, wanted: string): Promise<void> => {
  if (driverOverrideOf(files, address) !== wanted) {
    await writeDriverOverride(files, address, wanted)
  }
}

/** Does a part of a binding; what is wrong is told once it is known which driver the function has. */
async function problemOf(work: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await work()
  } catch (error) {
    return messageOf(error)
  }
}

/** Calls the tool as dpdk-devbind.py wants it; returns what it said. An override of another would keep it from binding. */
async function bindByTool({ files, processes }: Host, tool: string, binding: Binding): Promise<string> {
  const { driver, address, lock } = binding
  const args = ['-b', driver, address]
  await restoreOverride(files, address, '')
  const child = processes.start({
    path: tool,
    args,
    environment: { PATH: SYSTEM_PATH },
    held: lock,
    keepsStderr: true,
  })
  const { status, stdout, stderr } = await child.wait(TOOL_TIMEOUT_MS)
  const words = (stderr.trim() || stdout.trim()).replace(/\s*\n\s*/g, '; ')
  return `${[tool, ...args].join(' ')}: exit status ${status}${words === '' ? '' : `: ${words}`}`
}

/** Binds through sysfs; returns what may be wrong. */
async function bindBySysfs({ files }: Host, { address, driver }: Binding): Promise<string> {
  await bindToDriver(files, address, driver)
  return `the driver ${driver} does not take it (the kernel log may say why)`
}

/**
 * Binds a function to a driver, which is loaded where it is not: by the tool where there is one, else through sysfs.
 * What counts is the driver it has then, whatever the tool says of itself.
 * @throws PluginError kind `device` saying who refused what; kind `kernel`
 */
export async function bind(host: Host, binding: Binding): Promise<void> {
  const { files, log } = host
  const { address, driver, driverOverride, tool, target } = binding
  const fail = (why: string): never => {
    const now = driverOf(files, address) ?? 'no driver'
    throw new PluginError({
      kind: 'device',
      message: `cannot bind ${target} to ${driver || 'no driver'}: ${why}; it is bound to ${now} now`,
    })
  }
  const missing = driver === '' ? undefined : await loadDriver(host, driver)
  if (missing !== undefined) {
    // The driver that it has is better than none.
    fail(missing)
  }
  await awaitNoUser(host, address, target)
  const how = await problemOf(() => (tool === undefined ? bindBySysfs(host, binding) : bindByTool(host, tool, binding)))
  const leftover = await problemOf(() => restoreOverride(files, address, driverOverride).then(() => undefined))
  if (!isBoundTo(files, address, driver) || leftover !== undefined) {
    fail([how, leftover].filter((one) => one !== undefined).join('; '))
  }
  log.debug('bound', { address, driver, by: tool ?? 'sysfs' })
}
