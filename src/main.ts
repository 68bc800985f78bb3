import { createRequire } from 'node:module'
import { dispatch } from './cni/dispatch.js'
import { errorDocument } from './cni/error-codes.js'
import { handlers } from './commands/handlers.js'
import { loadAddon } from './host/addon.js'
import { realFiles } from './host/files/real-files.js'
import { launched } from './host/process/launched.js'
import { realHost } from './host/real.js'
import { type LogWriterModule, lazyLog } from './host/stdio/log.js'
import { processStreams } from './host/stdio/streams.js'

// Absent files are normal; a stack trace for each is expensive.
Error.stackTraceLimit = 0

const LOG_WRITER = './log-writer.cjs'

/** Ends without Node.js tidying up. Where the addon cannot be loaded, the answer is out all the same. */
function exitAtOnce(folder: string, exitCode: number): never {
  try {
    return loadAddon(folder).exitNow(exitCode)
  } catch {
    process.exit(exitCode)
  }
}

/**
 * Runs one call of the plugin in a process of its own. `folder` holds the addon and log-writer.cjs. Bytecode that V8
 * refused costs the call time only.
 */
export async function run(folder: string, isBytecodeRefused = false): Promise<void> {
  const { environment, fallback, begun, answered } = launched(process.env)
  begun()
  // Where two requests are refused, the first is the answer; without this, the second would end the process before it.
  process.on('unhandledRejection', () => undefined)
  try {
    const exitCode = await dispatch(
      environment,
      processStreams,
      handlers({
        openFiles: () => realFiles(loadAddon(folder)),
        hostOf(verb, { containerId, ifName }, { logLevel, logFile }) {
          const facts = { verb, ...(containerId !== '' && { containerId, ifName }) }
          const options = { level: logLevel, facts, ...(logFile !== undefined && { file: logFile }) }
          // A separate bundle: only a call that has something to log reads it.
          const log = lazyLog(options, () => createRequire(`${folder}/`)(LOG_WRITER) as LogWriterModule)
          if (fallback !== undefined) {
            log.warning('started a second time', { first: fallback })
          }
          if (isBytecodeRefused) {
            log.warning('the bytecode is not of this Node.js: the plugin was compiled anew, which takes longer')
          }
          return realHost(loadAddon(folder), log)
        },
      }),
    )
    answered(exitCode)
    exitAtOnce(folder, exitCode)
  } catch (error) {
    processStreams.writeStdout(`${JSON.stringify(errorDocument(error))}\n`)
    answered(1)
    process.exit(1)
  }
}

if (require.main === module) {
  void run(__dirname)
}
