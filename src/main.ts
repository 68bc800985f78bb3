import { createRequire } from 'node:module'
import { dispatch } from './cni/dispatch.js'
import { errorDocument } from './cni/error-codes.js'
import { handlers } from './commands/handlers.js'
import { loadAddon } from './host/addon.js'
import { launched } from './host/launched.js'
import { type LogWriterModule, lazyLog } from './host/log.js'
import { realHost } from './host/real.js'
import { processStreams } from './host/streams.js'

// Half of what is looked for is not there: an error with a stack trace costs more than the look.
Error.stackTraceLimit = 0

const LOG_WRITER = './log-writer.cjs'

/** One call of the plugin, as a process of its own. `folder` holds the addon and log-writer.cjs. */
export async function run(folder: string): Promise<void> {
  const { environment, fallback, begun, answered } = launched(process.env)
  begun()
  try {
    const exitCode = await dispatch(
      environment,
      processStreams,
      handlers((verb, { containerId, ifName }, { logLevel, logFile }) => {
        const facts = { verb, ...(containerId !== '' && { containerId, ifName }) }
        const options = { level: logLevel, facts, ...(logFile !== undefined && { file: logFile }) }
        // A bundle of its own, which only a call that has something to say reads.
        const log = lazyLog(options, () => createRequire(`${folder}/`)(LOG_WRITER) as LogWriterModule)
        if (fallback !== undefined) {
          log.warning('started a second time', { first: fallback })
        }
        return realHost(loadAddon(folder), log)
      }),
    )
    answered(exitCode)
    loadAddon(folder).exitNow(exitCode)
  } catch (error) {
    processStreams.writeStdout(`${JSON.stringify(errorDocument(error))}\n`)
    answered(1)
    process.exit(1)
  }
}

if (require.main === module) {
  void run(__dirname)
}
