import { parseArgs } from 'node:util'
import { LOG_LEVELS, type LogLevelName } from './cni/log-levels.js'
import { RESIDENT_SOCKET } from './daemon/protocol.js'
import { type DaemonOptions, runDaemon } from './daemon/run.js'
import { messageOf } from './errors.js'

const HELP = `Usage: sriovctl daemon [--socket PATH] [--log-level LEVEL] [--log-file FILE]

daemon    Carries out the calls of the sriov plugin in one resident process, which
          saves each of them the start of Node.js. The plugin finds it by its socket,
          and does without it whenever it does not answer.

--socket PATH      where to listen (${RESIDENT_SOCKET}); the plugin looks
                   elsewhere only by the environment variable SRIOV_CNI_SOCKET
--log-level LEVEL  error, warning, info (as it is) or debug
--log-file FILE    appended to; stderr otherwise

Example:
  sriovctl daemon --log-level debug
`

const USAGE_EXIT_CODE = 2

const isLevel = (text: string): text is LogLevelName => (LOG_LEVELS as readonly string[]).includes(text)

type Order = { readonly verb: 'help' } | ({ readonly verb: 'daemon' } & DaemonOptions)

/** Reads the command line. @throws TypeError for what is not understood */
export function parseOrder(words: readonly string[]): Order {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      socket: { type: 'string' },
      'log-level': { type: 'string' },
      'log-file': { type: 'string' },
    },
  })
  if (values.help) {
    return { verb: 'help' }
  }
  const [verb, ...rest] = positionals
  if (verb !== 'daemon' || rest.length > 0) {
    throw new TypeError(verb === undefined ? 'a verb is missing' : `unknown verb '${positionals.join(' ')}'`)
  }
  const { socket, 'log-level': logLevel, 'log-file': logFile } = values
  if (logLevel !== undefined && !isLevel(logLevel)) {
    throw new TypeError(`--log-level is one of ${LOG_LEVELS.join(', ')}`)
  }
  if (socket !== undefined && !socket.startsWith('/')) {
    throw new TypeError('--socket needs an absolute path')
  }
  return {
    verb: 'daemon',
    ...(socket !== undefined && { socketPath: socket }),
    ...(logLevel !== undefined && { logLevel }),
    ...(logFile !== undefined && { logFile }),
  }
}

/** Runs the operator's command. Returns its exit code. */
export async function ctl(folder: string, words: readonly string[]): Promise<number> {
  let order: Order
  try {
    order = parseOrder(words)
  } catch (error) {
    process.stderr.write(`sriovctl: ${messageOf(error)} (see sriovctl --help)\n`)
    return USAGE_EXIT_CODE
  }
  if (order.verb === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  try {
    return await runDaemon(folder, order)
  } catch (error) {
    process.stderr.write(`sriovctl: ${messageOf(error)}\n`)
    return 1
  }
}

if (require.main === module) {
  void ctl(__dirname, process.argv.slice(2)).then((exitCode) => process.exit(exitCode))
}
