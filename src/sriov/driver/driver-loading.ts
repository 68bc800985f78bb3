import { messageOf } from '../../errors.js'
import type { Host } from '../../host/ports.js'
import { driverExists } from '../../pci/driver.js'

const MODPROBE_TIMEOUT_MS = 30_000

/** Where modprobe(8) can be. PATH is not trusted. */
const MODPROBES = ['/sbin/modprobe', '/usr/sbin/modprobe', '/bin/modprobe', '/usr/bin/modprobe']

/** PATH for programs that are scripts, or call others: env(1) starts dpdk-devbind.py, which calls lspci. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

async function modprobe({ files, processes }: Host, driver: string): Promise<string> {
  const path = MODPROBES.find((one) => files.isExecutable(one))
  if (path === undefined) {
    return 'there is no modprobe here'
  }
  try {
    const child = processes.start({ path, args: [driver], environment: { PATH: SYSTEM_PATH }, keepsStderr: true })
    const { status, stderr } = await child.wait(MODPROBE_TIMEOUT_MS)
    return status === 0 ? 'modprobe succeeded all the same' : stderr.trim() || `modprobe: exit status ${status}`
  } catch (error) {
    return messageOf(error)
  }
}

/**
 * Makes sure that a driver is loaded, with modprobe if it is not. Returns why it still is not loaded; undefined when it
 * is.
 */
export async function loadDriver(host: Host, driver: string): Promise<string | undefined> {
  if (driverExists(host.files, driver)) {
    return undefined
  }
  host.log.info('loading a driver', { driver })
  const problem = await modprobe(host, driver)
  return driverExists(host.files, driver) ? undefined : `the driver ${driver} is not loaded (${problem})`
}
