import { createRequire } from 'node:module'
import { CommanderError } from 'commander'
import { askResident } from './daemon/probe.js'
import { runDaemon } from './daemon/run.js'
import { errnoOf, messageOf } from './errors.js'
import { loadAddon } from './host/addon.js'
import { realFiles } from './host/files.js'
import { writeNewFile } from './host/new-file.js'
import type { Log } from './host/ports.js'
import { askPerson } from './host/question.js'
import { realHost } from './host/real.js'
import { processOutput } from './host/terminal.js'
import { podResourcesSocket } from './node/kubelet.js'
import type { PodsOfDevices } from './operator/look/status-document.js'
import { printable } from './operator/output.js'
import { makeProgram } from './operator/program.js'
import type { Living } from './operator/verb.js'
import { loadPolicy } from './policy/load.js'
import { type CallHost, operatorHost } from './state/folder.js'

const USAGE_EXIT_CODE = 2

const nothing = () => undefined
/** What goes wrong is in the answer of the verb. */
const SILENT: Log = { error: nothing, warning: nothing, info: nothing, debug: nothing }

function openHost(folder: string): CallHost {
  const host = realHost(loadAddon(folder), SILENT)
  return operatorHost(host, loadPolicy(host.files))
}

/** Somebody waits for what is shown. */
const KUBELET_TIMEOUT_MS = 2_000
/** Nobody waits for a GC, which gives back nothing where one of them is silent. kubelet itself waits two minutes. */
const LIVING_TIMEOUT_MS = 10_000
/** Bundles of their own: gRPC takes long to load, and few calls of sriovctl need it. */
const KUBELET = './kubelet.cjs'
const DEVICE_PLUGIN = './device-plugin.cjs'

/** Where container runtimes listen: containerd, CRI-O, k3s. */
const RUNTIME_SOCKETS = [
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/run/k3s/containerd/containerd.sock',
]

/** Asks those that listen; what none of them has is empty. @throws Error that names a socket where nobody answers */
async function askLiving(folder: string, kubeletFolder: string): Promise<Living> {
  const files = realFiles(loadAddon(folder))
  const asked = () => createRequire(`${folder}/`)(KUBELET) as typeof import('./kubelet/asked.js')
  const answerOf = async <T>(socket: string, question: (path: string) => Promise<T>, none: T): Promise<T> => {
    try {
      return files.exists(socket) ? await question(socket) : none
    } catch (error) {
      throw new Error(
        `${socket} does not answer, so nobody can tell which pods are alive (--without-asking goes on without): ${messageOf(error)}`,
      )
    }
  }
  const pods = await answerOf(
    podResourcesSocket(kubeletFolder),
    (path) => asked().podsOfDevices(path, LIVING_TIMEOUT_MS),
    new Map() as PodsOfDevices,
  )
  const sandboxes = new Set<string>()
  for (const socket of RUNTIME_SOCKETS) {
    const live = await answerOf(socket, (path) => asked().liveSandboxes(path, LIVING_TIMEOUT_MS), new Set<string>())
    for (const id of live) {
      sandboxes.add(id)
    }
  }
  return { pods, sandboxes }
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
      askLiving: (kubeletFolder) => askLiving(folder, kubeletFolder),
      askKubelet: (kubeletFolder) => askKubelet(folder, kubeletFolder),
      askResident: () => askResident(loadAddon(folder)),
      runDaemon: (options) => runDaemon(folder, options),
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
