/** The process of the device plugin. */

import { NODE_FOLDER } from '../cni/folders.js'
import { messageOf } from '../errors.js'
import { type Addon, loadAddon } from '../host/addon.js'
import { realFiles } from '../host/files/real-files.js'
import { fileIdentity, watchDevices, watchFolder, watchLinks } from '../host/node-events.js'
import type { FilePort, Log } from '../host/ports.js'
import { launched } from '../host/process/launched.js'
import { serviceManager } from '../host/process/service-manager.js'
import { untilStopped, versionWatch } from '../host/process/stop.js'
import { realHost } from '../host/real.js'
import { lazyLog } from '../host/stdio/log.js'
import { openLogWriter } from '../host/stdio/log-writer.js'
import { policyReader } from '../policy/last-sound.js'
import type { Policy } from '../policy/policy.js'
import { operatorHost } from '../state/folder.js'
import { readPoolConf } from './conf/conf.js'
import type { ReadConf } from './conf/conf-in-force.js'
import { readRdmaConf } from './conf/rdma-conf.js'
import { serveHealth } from './health.js'
import { startMetrics } from './metrics.js'
import type { PoolOptions } from './options.js'
import { type ConfFile, startService } from './service.js'

/** The kernel tells of changes, but events can be lost. */
const RESCAN_MS = 300_000
/** Two of them would take the sockets from one another. */
const LOCK = '/run/sriov-cni/device-plugin.lock'
/** The umask of what is made: sockets for kubelet, which is root. */
const UMASK = 0o077
/** At most 15 bytes. */
const TITLE = 'sriov-devices'

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'

function confFile<Conf>(files: FilePort, path: string, read: (text: string) => ReadConf<Conf>): ConfFile<Conf> {
  return {
    path,
    read() {
      const text = files.readText(path)
      return text === undefined ? undefined : read(text)
    },
  }
}

interface Place {
  readonly addon: Addon
  readonly log: Log
  readonly readPolicy: () => Policy
  /** Where kubelet is as long as this process lives. */
  readonly kubeletFolder: string
}

function start({ addon, log, readPolicy, kubeletFolder }: Place, { conf, prefix, rdmaConf }: PoolOptions) {
  const files = realFiles(addon)
  const host = realHost(addon, log)
  const service = startService({
    files,
    log,
    kubeletFolder,
    identityOf: fileIdentity,
    after: (ms, work) => void setTimeout(work, ms),
    openHost: () => operatorHost(host, readPolicy()),
    conf: confFile(files, conf, (text) => readPoolConf(text, conf, prefix)),
    ...(rdmaConf !== undefined && { rdmaConf: confFile(files, rdmaConf, (text) => readRdmaConf(text, rdmaConf)) }),
  })
  const look = () => service.look()
  const confFiles = [conf, ...(rdmaConf === undefined ? [] : [rdmaConf])]
  const identities = () => confFiles.map(fileIdentity).join(' ')
  let known = identities()
  // The folder may hold other files, which are no news.
  const confChanged = () => {
    const now = identities()
    if (now !== known) {
      known = now
      service.confChanged()
    }
  }
  const watches = [
    watchDevices(addon, look),
    watchLinks(addon, service.linkChanged),
    watchFolder(NODE_FOLDER, look),
    watchFolder(`${NODE_FOLDER}/pci`, look),
    ...[...new Set(confFiles.map(folderOf))].map((folder) => watchFolder(folder, confChanged)),
    watchFolder(`${kubeletFolder}/plugins_registry`, service.kubeletChanged),
    watchFolder(`${kubeletFolder}/device-plugins`, () => {
      service.kubeletChanged()
      look()
    }),
  ]
  const rescan = setInterval(() => {
    look()
    service.kubeletChanged()
    confChanged()
  }, RESCAN_MS)
  return {
    begun: service.begun,
    offers: service.offers,
    stop() {
      clearInterval(rescan)
      for (const one of watches) {
        one.stop()
      }
      service.stop()
    },
  }
}

/** A node where it cannot be asked still gives its VFs to pods. */
async function healthOf(log: Log): Promise<Disposable | undefined> {
  try {
    return await serveHealth()
  } catch (error) {
    log.error('nobody can ask whether the device plugin answers', { error: messageOf(error) })
    return undefined
  }
}

/** Runs the device plugin until a signal or an upgrade ends it. `folder` is the folder of the installed version. */
export async function runPool(folder: string, options: PoolOptions): Promise<number> {
  // Absent files are normal; a stack trace for each is expensive.
  Error.stackTraceLimit = 0
  process.umask(UMASK)
  process.chdir('/')
  process.title = TITLE
  const { logLevel = 'info', logFile } = options
  const log = lazyLog({ level: logLevel, facts: {}, ...(logFile !== undefined && { file: logFile }) }, () => ({
    openLogWriter,
  }))
  process.on('unhandledRejection', (error) => {
    log.error('a request failed that nobody waited for; this is a defect of the device plugin', {
      error: String(error),
    })
  })
  const addon = loadAddon(folder)
  const files = realFiles(addon)
  files.makeFolder(folderOf(LOCK))
  using lock = files.tryLock(LOCK)
  if (!lock) {
    log.error('a device plugin is at work here already', { lock: LOCK })
    return 1
  }
  const isReplaced = versionWatch(files, folder)
  const readPolicy = policyReader(files, log)
  const { kubeletFolder } = readPolicy()
  const service = start({ addon, log, readPolicy, kubeletFolder }, options)
  const manager = serviceManager(addon, launched(process.env).environment)
  await service.begun
  using _health = await healthOf(log)
  const metrics =
    options.metrics && (await startMetrics(options.metrics, { addon, log, readPolicy, offers: service.offers }))
  log.info('ready', { version: folder, config: options.conf })
  manager.ready()
  const reason = await untilStopped(() => {
    // Whoever started this process starts it again.
    const isElsewhere = readPolicy().kubeletFolder !== kubeletFolder
    return isReplaced() ? 'another version is installed' : isElsewhere ? 'kubelet is in another folder now' : undefined
  })
  log.info('stopping', { reason })
  manager.stopping()
  metrics?.[Symbol.dispose]()
  service.stop()
  manager.close()
  return 0
}
