import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { CommanderError } from 'commander'
import { askResident, probeResident } from './daemon/probe.js'
import { errnoOf, messageOf } from './errors.js'
import { loadAddon } from './host/addon.js'
import { writeNewFile } from './host/files/new-file.js'
import { realFiles } from './host/files/real-files.js'
import { removeIfEmpty, removeTree } from './host/files/trees.js'
import type { Log } from './host/ports.js'
import { realHost } from './host/real.js'
import { askPerson } from './host/stdio/question.js'
import { processOutput } from './host/stdio/terminal.js'
import { askLiving } from './kubelet/living.js'
import { podResourcesSocket } from './node/kubelet.js'
import type { PodsOfDevices } from './operator/look/status-document.js'
import { printable } from './operator/output.js'
import { makeProgram } from './operator/program.js'
import { loadPolicy } from './policy/load.js'
import { askDevicePlugin } from './pool/health.js'
import type { Living } from './sriov/survey/spare.js'
import { type CallHost, operatorHost } from './state/folder.js'

const USAGE_EXIT_CODE = 2

const nothing = () => undefined
/** What goes wrong is in the answer of the verb. */
const SILENT: Log = { error: nothing, warning: nothing, info: nothing, debug: nothing }

/** Where the plugin is installed, by the folder of the version: BIN/.sriov/RELEASE. */
const binFolderOf = (folder: string): string => dirname(dirname(folder))

function openHost(folder: string): CallHost {
  const host = realHost(loadAddon(folder), SILENT)
  return operatorHost(host, loadPolicy(host.files), binFolderOf(folder))
}

/** Somebody waits for what is shown. */
const KUBELET_TIMEOUT_MS = 2_000
/** Nobody waits for a GC, which gives back nothing where one of them is silent. kubelet itself waits two minutes. */
const LIVING_TIMEOUT_MS = 10_000
/** Bundles of their own: gRPC and the log of a process that stays take long to load, and few calls of sriovctl need them. */
const KUBELET = './kubelet.cjs'
const RESIDENT = './resident.cjs'
const DEVICE_PLUGIN = './device-plugin.cjs'

/** Asks kubelet and the container runtimes. @throws Error that names a socket where nobody answers */
async function askWhoLives(folder: string, kubeletFolder: string): Promise<Living> {
  const files = realFiles(loadAddon(folder))
  try {
    return await askLiving({
      kubelet: podResourcesSocket(kubeletFolder),
      exists: (path) => files.exists(path),
      timeoutMs: LIVING_TIMEOUT_MS,
      load: () => createRequire(`${folder}/`)(KUBELET) as typeof import('./kubelet/asked.js'),
    })
  } catch (error) {
    throw new Error(`${messageOf(error)} (--without-asking goes on without)`)
  }
}

/** Which pods have which devices, by kubelet; nothing where there is no kubelet, or it does not answer. */
async function askKubelet(folder: string, kubeletFolder: string): Promise<PodsOfDevices> {
  const socket = podResourcesSocket(kubeletFolder)
  if (!realFiles(loadAddon(folder)).exists(socket)) {
    return new Map()
  }
  try {
    const { podsOfDevices } = createRequire(`${folder}/`)(KUBELET) as typeof import('./kubelet/asked.js')
    return await podsOfDevices(socket, KUBELET_TIMEOUT_MS)
  } catch {
    return new Map()
  }
}

/** Runs the operator's command. `folder` is that of the installed version, with the addon. Returns its exit code. */
export async function ctl(folder: string, words: readonly string[]): Promise<number> {
  // Absent files are normal; a stack trace for each is expensive.
  Error.stackTraceLimit = 0
  let exitCode = 0
  const program = makeProgram({
    surroundings: {
      out: processOutput,
      ask: askPerson,
      save: writeNewFile,
      openHost: () => openHost(folder),
      askLiving: (kubeletFolder) => askWhoLives(folder, kubeletFolder),
      askKubelet: (kubeletFolder) => askKubelet(folder, kubeletFolder),
      askResident: () => askResident(loadAddon(folder)),
      probeResident: () => probeResident(loadAddon(folder)),
      askDevicePlugin,
      removeTree,
      removeIfEmpty,
      runDaemon(options) {
        const { runDaemon } = createRequire(`${folder}/`)(RESIDENT) as typeof import('./resident.js')
        return runDaemon(folder, options)
      },
      runDevicePlugin(options) {
        const { runPool } = createRequire(`${folder}/`)(DEVICE_PLUGIN) as typeof import('./device-plugin.js')
        return runPool(folder, options)
      },
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
