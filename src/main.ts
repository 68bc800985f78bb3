import { join } from 'node:path'
import { dispatch } from './cni/dispatch.js'
import { errorDocument } from './cni/error-codes.js'
import { handlers } from './commands/handlers.js'
import { loadAddon } from './host/addon.js'
import { realClock } from './host/clock.js'
import { realFiles } from './host/files.js'
import { realKernel } from './host/kernel.js'
import { type LogWriterModule, lazyLog } from './host/log.js'
import { realProcesses } from './host/processes.js'
import { processStreams } from './host/streams.js'

/** One call of the plugin, as a process of its own. */
async function main(): Promise<void> {
  const loadLogWriter = () => require(join(__dirname, 'log-writer.cjs')) as LogWriterModule
  const exitCode = await dispatch(
    process.env,
    processStreams,
    handlers((verb, { containerId, ifName }, { logLevel, logFile }) => {
      const addon = loadAddon()
      const facts = { verb, ...(containerId !== '' && { containerId, ifName }) }
      const options = { level: logLevel, facts, ...(logFile !== undefined && { file: logFile }) }
      return {
        kernel: realKernel(addon),
        files: realFiles(addon),
        processes: realProcesses(addon),
        clock: realClock,
        log: lazyLog(options, loadLogWriter),
      }
    }),
  )
  loadAddon().exitNow(exitCode)
}

main().catch((error: unknown) => {
  processStreams.writeStdout(`${JSON.stringify(errorDocument(error))}\n`)
  process.exit(1)
})
