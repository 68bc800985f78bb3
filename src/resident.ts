/**
 * The resident process, apart from the operator's command: that has libraries for a person's eyes, and this process keeps
 * what it loads for weeks.
 */
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { LOG_LEVELS, type LogLevelName } from './cni/log-levels.js'
import { type DaemonOptions, runDaemon } from './daemon/run.js'
import { messageOf } from './errors.js'

const OPERATOR = './ctl.cjs'

const isLevel = (text: string): text is LogLevelName => (LOG_LEVELS as readonly string[]).includes(text)

/** The options of `sriovctl daemon`; undefined when they are a question, or a mistake, which ctl.ts answers. */
export function residentOptions(words: readonly string[]): DaemonOptions | undefined {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args: [...words],
      options: { socket: text, 'log-level': text, 'log-file': text },
    })
    const { socket, 'log-level': logLevel, 'log-file': logFile } = values
    if ((logLevel !== undefined && !isLevel(logLevel)) || (socket !== undefined && !socket.startsWith('/'))) {
      return undefined
    }
    return {
      ...(socket !== undefined && { socketPath: socket }),
      ...(logLevel !== undefined && { logLevel }),
      ...(logFile !== undefined && { logFile }),
    }
  } catch {
    return undefined
  }
}

/** Runs `sriovctl daemon`. `folder` is that of the release. Returns the exit code. */
export async function resident(folder: string, words: readonly string[]): Promise<number> {
  const [verb, ...rest] = words
  const options = verb === 'daemon' ? residentOptions(rest) : undefined
  if (!options) {
    const { ctl } = createRequire(`${folder}/`)(OPERATOR) as typeof import('./ctl.js')
    return ctl(folder, words)
  }
  try {
    return await runDaemon(folder, options)
  } catch (error) {
    process.stderr.write(`sriovctl: ${messageOf(error)}\n`)
    return 1
  }
}

if (require.main === module) {
  void resident(__dirname, process.argv.slice(2)).then((exitCode) => process.exit(exitCode))
}
