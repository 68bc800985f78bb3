import { CommanderError } from 'commander'
import { NODE_FOLDER } from './cni/folders.js'
import { askResident } from './daemon/probe.js'
import { runDaemon } from './daemon/run.js'
import { errnoOf, messageOf } from './errors.js'
import { loadAddon } from './host/addon.js'
import { writeNewFile } from './host/new-file.js'
import type { Log } from './host/ports.js'
import { askPerson } from './host/question.js'
import { realHost } from './host/real.js'
import { processOutput } from './host/terminal.js'
import { printable } from './operator/output.js'
import { makeProgram } from './operator/program.js'
import { loadPolicy } from './policy/load.js'
import { type CallHost, callHost } from './state/folder.js'

const USAGE_EXIT_CODE = 2

const nothing = () => undefined
/** What goes wrong is in the answer of the verb. */
const SILENT: Log = { error: nothing, warning: nothing, info: nothing, debug: nothing }

/** The machine for an operator, who is no pod: only the node's own policy and state folder count. */
function operatorHost(folder: string): CallHost {
  const host = realHost(loadAddon(folder), SILENT)
  const args = { containerId: '', ifName: '', netnsPath: '', extra: {}, environment: { CNI_PATH: '/opt/cni/bin' } }
  return callHost(host, loadPolicy(host.files), args, NODE_FOLDER)
}

/** Runs the operator's command. `folder` is that of the release, with the addon. Returns its exit code. */
export async function ctl(folder: string, words: readonly string[]): Promise<number> {
  // Absent files are normal; a stack trace for each is expensive.
  Error.stackTraceLimit = 0
  let exitCode = 0
  const program = makeProgram({
    surroundings: {
      out: processOutput,
      ask: askPerson,
      save: writeNewFile,
      openHost: () => operatorHost(folder),
      askResident: () => askResident(loadAddon(folder)),
      runDaemon: (options) => runDaemon(folder, options),
    },
    finish(code) {
      exitCode = code
    },
  })
  try {
    await program.parseAsync([...words], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : USAGE_EXIT_CODE
    }
    if (errnoOf(error) === 'EPIPE') {
      // Whoever reads has seen enough, as head(1) has.
      return exitCode
    }
    process.stderr.write(`sriovctl: ${printable(messageOf(error))}\n`)
    return 1
  }
}

if (require.main === module) {
  void ctl(__dirname, process.argv.slice(2)).then((exitCode) => process.exit(exitCode))
}
