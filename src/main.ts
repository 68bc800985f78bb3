import { join } from 'node:path'
import { dispatch } from './cni/dispatch.js'
import { errorDocument } from './cni/error-codes.js'
import { handlers } from './commands/handlers.js'
import { loadAddon } from './host/addon.js'
import { type LogWriterModule, lazyLog } from './host/log.js'
import { realHost } from './host/real.js'
import { processStreams } from './host/streams.js'

// Half of what is looked for is not there: an error with a stack trace costs more than the look.
Error.stackTraceLimit = 0

/** One call of the plugin, as a process of its own. `folder` holds the addon and log-writer.cjs. */
export async function run(folder: string): Promise<void> {
  const loadLogWriter = () => {
    // A start-up snapshot has a `require` for Node's own modules only.
    const { createRequire } = require('node:module') as typeof import('node:module')
    return createRequire(`${folder}/`)(join(folder, 'log-writer.cjs')) as LogWriterModule
  }
  try {
    const exitCode = await dispatch(
      process.env,
      processStreams,
      handlers((verb, { containerId, ifName }, { logLevel, logFile }) => {
        const facts = { verb, ...(containerId !== '' && { containerId, ifName }) }
        const log = lazyLog({ level: logLevel, facts, ...(logFile !== undefined && { file: logFile }) }, loadLogWriter)
        return realHost(loadAddon(folder), log)
      }),
    )
    loadAddon(folder).exitNow(exitCode)
  } catch (error) {
    processStreams.writeStdout(`${JSON.stringify(errorDocument(error))}\n`)
    process.exit(1)
  }
}

if (require.main === module) {
  void run(__dirname)
}
