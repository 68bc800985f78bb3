import type { LogLevelName } from '../cni/log-levels.js'
import { type Addon, loadAddon } from '../host/addon.js'
import { realClock } from '../host/clock.js'
import { abandonedWrites } from '../host/files/attributes.js'
import { realFiles } from '../host/files/real-files.js'
import { realKernel } from '../host/kernel.js'
import type { Log } from '../host/ports.js'
import { launched } from '../host/process/launched.js'
import { serviceManager } from '../host/process/service-manager.js'
import { untilStopped, versionWatch } from '../host/process/stop.js'
import { residentHosts } from '../host/resident.js'
import { listenAt } from '../host/sockets/unix-sockets.js'
import { lazyLog } from '../host/stdio/log.js'
import { openClosableLogWriter, openLogWriter } from '../host/stdio/log-writer.js'
import { lockHolders } from '../node/lock-holders.js'
import { RESIDENT_SOCKET, residentLock } from './protocol.js'
import { serveCall } from './serve-call.js'
import { startServer } from './server.js'

/** Threads that wait for the kernel. Netlink takes one change at a time; a driver may keep a thread for a minute. */
const THREADS = 32

/** How long calls under way may take after a signal. The next call that meets an unfinished one undoes it. */
const DRAIN_TIMEOUT_MS = 60_000

/** The umask that a runtime gives its plugins. IPAM plugins inherit it. */
const UMASK = 0o022

/** This process ends at so many blocked writes: they hold half of the places. A new process has all its threads. */
const MAX_ABANDONED_WRITES = 4

/** The name of this process in ps and in messages about locks: at most 15 bytes. */
const TITLE = 'sriov-daemon'

/** The operator's options for the resident process. */
export interface DaemonOptions {
  readonly socketPath?: string
  readonly logLevel?: LogLevelName
  readonly logFile?: string
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'

function serveAt(addon: Addon, socketPath: string, log: Log) {
  const listener = listenAt(addon, socketPath)
  const ownNetns = realKernel(addon).ownNetns()
  const hostFor = residentHosts(addon)
  const server = startServer({
    listener,
    serve: (accepted) => serveCall(accepted, { addon, hostFor, openCallLog: openClosableLogWriter }),
    ownUid: process.geteuid?.() ?? 0,
    ownNetns: ownNetns.id,
    clock: realClock,
    log,
  })
  return { server, isFound: () => listener.isInPlace() }
}

/**
 * Runs the resident process: carries out the calls that launchers hand to it, until a signal or an upgrade ends it.
 * `folder` is the folder of the installed version, with the addon. Returns the exit code.
 */
export async function runDaemon(
  folder: string,
  { socketPath = RESIDENT_SOCKET, logLevel = 'info', logFile }: DaemonOptions,
): Promise<number> {
  // Absent files are normal; a stack trace for each is expensive.
  Error.stackTraceLimit = 0
  // libuv reads this when it needs its first thread, which is later.
  process.env.UV_THREADPOOL_SIZE = String(THREADS)
  process.umask(UMASK)
  process.chdir('/')
  process.title = TITLE
  const log = lazyLog({ level: logLevel, facts: {}, ...(logFile !== undefined && { file: logFile }) }, () => ({
    openLogWriter,
  }))
  // The calls of other pods go on.
  process.on('unhandledRejection', (error) => {
    log.error('a request failed that no call waited for; this is a defect of the plugin', { error: String(error) })
  })
  const addon = loadAddon(folder)
  const files = realFiles(addon)
  const lockPath = residentLock(socketPath)
  files.makeFolder(folderOf(socketPath))
  const lock = files.tryLock(lockPath)
  if (!lock) {
    log.error('a resident process is at work here already', {
      socket: socketPath,
      holder: await lockHolders({ files, clock: realClock }, lockPath),
    })
    return 1
  }
  const isReplaced = versionWatch(files, folder)
  const { server, isFound } = serveAt(addon, socketPath, log)
  const manager = serviceManager(addon, launched(process.env).environment)
  log.info('ready', { socket: socketPath, version: folder })
  manager.ready()
  const reason = await untilStopped(() => {
    if (isReplaced()) {
      return 'another version is installed'
    }
    if (abandonedWrites() >= MAX_ABANDONED_WRITES) {
      return `drivers do not return from ${abandonedWrites()} writes to sysfs`
    }
    return isFound() ? undefined : 'the socket was taken away'
  })
  log.info('stopping: no new calls are taken', { reason })
  manager.stopping()
  const unfinished = await server.drain(DRAIN_TIMEOUT_MS)
  log[unfinished > 0 ? 'warning' : 'info']('stopped', { unfinished })
  lock[Symbol.dispose]()
  manager.close()
  // Without this, Node.js would wait for the threads that drivers hold.
  return abandonedWrites() > 0 ? addon.exitNow(1) : 0
}
