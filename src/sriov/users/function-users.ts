/** Finds the programs in user space that have a VF open. The kernel does not take the VF away from them. */
import { PluginError } from '../../errors.js'
import { pollUntil } from '../../host/poll.js'
import type { FilePort, Host } from '../../host/ports.js'
import { processesByTarget } from '../../node/open-files.js'
import type { PciAddress } from '../../pci/address.js'
import { deviceFilesOf } from '../../pci/driver.js'
import { driverOf, netdevsOf } from '../../pci/functions.js'

/** The processes of a killed pod need time to end. */
const END_OF_USER = { timeoutMs: 5_000, pauseMs: 20 }

const userspaceFilesOf = (files: FilePort, address: PciAddress): ReadonlySet<string> =>
  new Set(netdevsOf(files, address).length > 0 ? [] : deviceFilesOf(files, address))

/**
 * The processes that have a function open through vfio or uio, named for an operator. None while it has an interface.
 */
export async function usersOfFunction(
  host: Pick<Host, 'files' | 'clock'>,
  address: PciAddress,
): Promise<readonly string[]> {
  const paths = userspaceFilesOf(host.files, address)
  return paths.size === 0 ? [] : [...new Set([...(await processesByTarget(host, paths)).values()].flat())]
}

/** Names the programs that have a function open, for an error message. Undefined when there are none. */
export async function programsOf(
  host: Pick<Host, 'files' | 'clock'>,
  address: PciAddress,
): Promise<string | undefined> {
  const users = await usersOfFunction(host, address)
  return users.length === 0 ? undefined : users.join(' and ')
}

/**
 * Waits up to 5 s for the last user to end. Unbinding would wait for it without limit, and no signal would end that
 * wait.
 * @throws PluginError kind `device` naming the processes
 */
export async function awaitNoUser(host: Host, address: PciAddress, target: string): Promise<void> {
  let users: readonly string[] = []
  const isFree = await pollUntil(host.clock, END_OF_USER, async () => {
    users = await usersOfFunction(host, address)
    return users.length === 0 || undefined
  })
  if (!isFree) {
    throw new PluginError({
      kind: 'device',
      message: `${target} (driver ${driverOf(host.files, address) ?? 'none'}) is still used by ${users.join(' and ')}: it cannot be bound to another driver before that ends`,
    })
  }
}
