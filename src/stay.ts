/**
 * Runs processes that stay, apart from the operator's command: that has libraries for a person's eyes, and such a process
 * keeps what it loads for weeks.
 */
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { LOG_LEVELS, type LogLevelName } from './cni/log-levels.js'
import { messageOf } from './errors.js'

const OPERATOR = './ctl.cjs'
/** What ctl.cjs exports. */
interface Operator {
  ctl(folder: string, words: readonly string[]): Promise<number>
}

const isLevel = (text: string): text is LogLevelName => (LOG_LEVELS as readonly string[]).includes(text)

/** Where a process logs, and how much. */
export interface LogChoice {
  readonly logLevel?: LogLevelName
  readonly logFile?: string
}

/**
 * The values of options that all take one, and where to log; undefined when the words are anything else: a question, or a
 * mistake, which ctl.ts answers.
 */
export function optionsIn<Name extends string>(
  words: readonly string[],
  names: readonly Name[],
): { readonly values: Readonly<Partial<Record<Name, string>>>; readonly log: LogChoice } | undefined {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args: [...words],
      options: Object.fromEntries([...names, 'log-level', 'log-file'].map((name) => [name, text])),
    })
    const { 'log-level': logLevel, 'log-file': logFile, ...rest } = values as Record<string, string | undefined>
    if (logLevel !== undefined && !isLevel(logLevel)) {
      return undefined
    }
    const log = { ...(logLevel !== undefined && { logLevel }), ...(logFile !== undefined && { logFile }) }
    return { values: rest as Partial<Record<Name, string>>, log }
  } catch {
    return undefined
  }
}

/** A verb of sriovctl whose process stays. `read` gives undefined for words that it does not understand. */
export interface StayingVerb<Options> {
  readonly verb: string
  read(words: readonly string[]): Options | undefined
  run(folder: string, options: Options): Promise<number>
}

/** Runs the verb, or lets the operator's command answer. `folder` is that of the installed version. Returns the exit code. */
export async function stay<Options>(
  folder: string,
  words: readonly string[],
  { verb, read, run }: StayingVerb<Options>,
): Promise<number> {
  const [first, ...rest] = words
  const options = first === verb ? read(rest) : undefined
  if (!options) {
    const { ctl } = createRequire(`${folder}/`)(OPERATOR) as Operator
    return ctl(folder, words)
  }
  try {
    return await run(folder, options)
  } catch (error) {
    process.stderr.write(`sriovctl: ${messageOf(error)}\n`)
    return 1
  }
}
