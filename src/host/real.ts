import type { Addon } from './addon.js'
import { realClock } from './clock.js'
import { realFiles } from './files/real-files.js'
import { realKernel } from './kernel.js'
import type { Host, Log } from './ports.js'
import { realProcesses } from './process/processes.js'

/** The edges of this machine, for a process that serves one call. */
export const realHost = (addon: Addon, log: Log): Host => ({
  kernel: realKernel(addon),
  files: realFiles(addon),
  processes: realProcesses(addon),
  clock: realClock,
  // The caller of a process waits for its end, or kills it.
  caller: { isGone: () => false },
  log,
})
