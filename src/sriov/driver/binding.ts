import { messageOf, PluginError } from '../../errors.js'
import type { FilePort, Host, Lock } from '../../host/ports.js'
import type { PciAddress } from '../../pci/address.js'
import { bindToDriver, driverOverrideOf, writeDriverOverride } from '../../pci/driver.js'
import { driverOf } from '../../pci/functions.js'
import { awaitNoUser } from '../users/function-users.js'
import { loadDriver, SYSTEM_PATH } from './driver-loading.js'

const TOOL_TIMEOUT_MS = 60_000

/** What to bind to which driver, and how. */
export interface Binding {
  readonly address: PciAddress
  /** "" for none. */
  readonly driver: string
  /** The value of driver_override in sysfs afterwards. */
  readonly driverOverride: string
  readonly tool?: string
  readonly lock: Lock
  /** The function as error messages name it. */
  readonly target: string
}

export const isBoundTo = (files: FilePort, address: PciAddress, driver: string): boolean =>
  (driverOf(files, address) ?? '') === driver

/** Writes driver_override, unless it already has the wanted value. @throws PluginError kind `kernel` */
export const restoreOverride = async (files: FilePort, address: PciAddress, wanted: string): Promise<void> => {
  if (driverOverrideOf(files, address) !== wanted) {
    await writeDriverOverride(files, address, wanted)
  }
}

/**
 * Does one part of a binding and returns what went wrong. bind() reports it once it knows which driver the function
 * has.
 */
async function problemOf(work: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await work()
  } catch (error) {
    return messageOf(error)
  }
}

/**
 * Calls the tool with the arguments of dpdk-devbind.py, and returns its output. First clears driver_override: another
 * driver's would keep the tool from binding.
 */
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

/** Binds through sysfs. Returns the likely reason for a failure, because the kernel reports none. */
async function bindBySysfs({ files }: Host, { address, driver }: Binding): Promise<string> {
  await bindToDriver(files, address, driver)
  return `the driver ${driver} does not take it (the kernel log may say why)`
}

/**
 * Binds a function to a driver: with the tool if there is one, otherwise through sysfs. Loads the driver if it is not
 * loaded. Only the driver that the function has afterwards counts, whatever the tool reports.
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
    // Keep the current driver: it is better than none.
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
