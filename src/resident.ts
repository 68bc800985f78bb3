import { type DaemonOptions, runDaemon } from './daemon/run.js'
import { optionsIn, stay } from './stay.js'

export { runDaemon }

/** The options of `sriovctl daemon`; undefined when they are a question, or a mistake. */
export function residentOptions(words: readonly string[]): DaemonOptions | undefined {
  const options = optionsIn(words, ['socket'])
  const socket = options?.values.socket
  if (!options || (socket !== undefined && !socket.startsWith('/'))) {
    return undefined
  }
  return { ...options.log, ...(socket !== undefined && { socketPath: socket }) }
}

if (require.main === module) {
  void stay(__dirname, process.argv.slice(2), { verb: 'daemon', read: residentOptions, run: runDaemon }).then(
    (exitCode) => process.exit(exitCode),
  )
}
