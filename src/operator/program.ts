/** The command line of sriovctl: its verbs, options and help. Completion and the man page are made of it, too. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { LOG_LEVELS } from '../cni/log-levels.js'
import { RESIDENT_SOCKET } from '../daemon/protocol.js'
import type { DaemonOptions } from '../daemon/run.js'
import type { CallHost } from '../state/folder.js'
import { followLogs, type LogsOptions, logs, why, whyMessage } from './calls.js'
import type { Output } from './output.js'
import { type StatusOptions, status } from './status.js'
import { watch } from './watch.js'

/** What the verbs need from the process. The machine is opened only by verbs that look at it. */
export interface Surroundings {
  readonly out: Output
  openHost(): CallHost
  runDaemon(options: DaemonOptions): Promise<number>
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }
const AGE = /^(\d+)([smhd])$/

/** `30m` or an ISO 8601 time, as milliseconds since 1970. @throws InvalidArgumentError */
export function sinceMs(text: string, nowMs = Date.now()): number {
  const [, amount, unit = ''] = AGE.exec(text) ?? []
  const ms = amount === undefined ? Date.parse(text) : nowMs - Number(amount) * (SECONDS[unit] ?? 0) * 1000
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError('It is an age like 90s, 30m, 2h, 1d, or a time like 2026-01-31T12:00:00Z.')
  }
  return ms
}

function absolutePath(text: string): string {
  if (!text.startsWith('/')) {
    throw new InvalidArgumentError('It is an absolute path.')
  }
  return text
}

const example = (...lines: string[]): string => `\nExample:\n${lines.map((line) => `  ${line}\n`).join('')}`

const exitCodes = (one: string): string => `\nExit code: 0, or 1 ${one}; 2 for a command that is not understood.`

const json = (): Option => new Option('--json', 'print JSON')

interface Verbs {
  readonly surroundings: Surroundings
  finish(exitCode: number): void
}

function addDaemon(program: Command, { surroundings, finish }: Verbs): void {
  program
    .command('daemon')
    .description(
      'carry out the calls of the plugin in one resident process, which saves each of them the start of Node.js',
    )
    .option(
      '--socket <path>',
      `where to listen; the plugin looks elsewhere only by SRIOV_CNI_SOCKET (default: ${RESIDENT_SOCKET})`,
      absolutePath,
    )
    .addOption(new Option('--log-level <level>', 'how much to log (default: info)').choices([...LOG_LEVELS]))
    .option('--log-file <file>', 'appended to; stderr otherwise')
    .addHelpText('after', example('sriovctl daemon --log-level debug'))
    .action(async ({ socket, logLevel, logFile }) => {
      finish(
        await surroundings.runDaemon({
          ...(socket !== undefined && { socketPath: socket }),
          ...(logLevel !== undefined && { logLevel }),
          ...(logFile !== undefined && { logFile }),
        }),
      )
    })
}

function addStatus(program: Command, { surroundings: { out, openHost }, finish }: Verbs): void {
  program
    .command('status')
    .description('show every VF: where it is, its settings, its state and its pod')
    .option('--pf <pf>', 'only this PF: the name of its interface, or its PCI address')
    .option('--pod <pod>', 'only the VFs of this pod: NAMESPACE/NAME, NAME, or the start of a container ID')
    .option('--brief', 'one line, for probes')
    .option('--watch', 'draw it again every two seconds')
    .addOption(json())
    .addHelpText('after', example('sriovctl status --pf ens1f0') + exitCodes('when a VF needs a look'))
    .action(async ({ watch: isWatched, ...options }: StatusOptions & { watch?: true }) => {
      const host = openHost()
      finish(isWatched ? await watch(host, out, options) : await status(host, out, options))
    })
}

function addCalls(program: Command, { surroundings: { out, openHost }, finish }: Verbs): void {
  program
    .command('why [pod]')
    .description('tell why a pod did not start: its last calls, what refused them, and what it holds now')
    .option('--message <sentence>', 'explain a sentence from the events of a pod')
    .addOption(json())
    .addHelpText(
      'after',
      example('sriovctl why shop/cart-0', "sriovctl why --message 'Insufficient example.com/sriov'") +
        exitCodes('when the last call failed, or nothing is known of it'),
    )
    .action(async (pod: string | undefined, options: { message?: string; json?: true }, command: Command) => {
      if (options.message !== undefined) {
        finish(whyMessage(out, options.message, options))
      } else if (pod === undefined) {
        command.error("error: missing argument 'pod': NAMESPACE/NAME, NAME, or the start of a container ID", {
          exitCode: 2,
        })
      } else {
        finish(await why(openHost(), out, pod, options))
      }
    })
  program
    .command('logs')
    .description('list the calls of this node, oldest first')
    .option('--since <when>', 'only those after this: an age like 30m, or a time', (text) => sinceMs(text))
    .option('--failed', 'only those that were refused')
    .option('--follow', 'go on with what comes')
    .addOption(json())
    .addHelpText('after', example('sriovctl logs --since 2h --failed') + exitCodes('when the journal cannot be read'))
    .action(async ({ since, follow, ...rest }: { since?: number; follow?: true; failed?: true; json?: true }) => {
      const options: LogsOptions = { ...rest, ...(since !== undefined && { sinceMs: since }) }
      const host = openHost()
      finish(follow ? await followLogs(host, out, options) : logs(host, out, options))
    })
}

/** The program, ready to parse. `finish` gets the exit code of the verb. */
export function makeProgram(verbs: Verbs): Command {
  const program = new Command('sriovctl')
    .description('Shows and mends what the sriov CNI plugin does on this node.')
    .helpCommand(false)
    .showHelpAfterError('(see sriovctl --help)')
    .addHelpText('after', example('sriovctl status', 'sriovctl why shop/cart-0'))
    .exitOverride()
    .configureOutput({ writeOut: (text) => verbs.surroundings.out.write(text) })
  addStatus(program, verbs)
  addCalls(program, verbs)
  addDaemon(program, verbs)
  for (const command of program.commands) {
    command.exitOverride().copyInheritedSettings(program)
  }
  return program
}
