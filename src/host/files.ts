import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf, messageOf, PluginError } from '../errors.js'
import { type Addon, orThrow } from './addon.js'
import type { FilePort } from './ports.js'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** Temporary files: PID namespace, PID, number. */
const TEMPORARY = /^\.tmp-(\d+)-(\d+)-\d+$/

/** Errors that say "there is no such file": ENODEV, ENXIO and EOPNOTSUPP come from sysfs, EINVAL from reading what is no link. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ENODEV', 'ENXIO', 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP'])

function whenPresent<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (ABSENT.has(errnoOf(error) ?? '')) {
      return undefined
    }
    throw error
  }
}

function syncPath(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Does something to a file; an error says to which. @throws PluginError kind `state` */
function named<T>(path: string, what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new PluginError({ kind: 'state', path, problem: `cannot ${what}: ${errnoOf(error) ?? messageOf(error)}` })
  }
}

/** mkdir -p. Not Node's: on a read-only file system that says ENOENT. */
function makeFolders(path: string): void {
  try {
    mkdirSync(path, FOLDER_MODE)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') {
      makeFolders(dirname(path))
      mkdirSync(path, FOLDER_MODE)
    } else if (errno !== 'EEXIST' || !statSync(path).isDirectory()) {
      throw error
    }
  }
}

function removeIfPresent(path: string): void {
  whenPresent(() => unlinkSync(path))
}

/** Process IDs count within one PID namespace only: the plugin of a container must not judge the host's. */
let ownPidNamespace: string | undefined

function pidNamespace(): string {
  ownPidNamespace ??= readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')
  return ownPidNamespace
}

/** What writers that were killed left: temporary files whose process is gone. */
function removeLitter(folder: string): void {
  const own = pidNamespace()
  for (const name of whenPresent(() => readdirSync(folder)) ?? []) {
    const [, namespace, pid] = TEMPORARY.exec(name) ?? []
    if (namespace === own && !existsSync(`/proc/${pid}`)) {
      removeIfPresent(join(folder, name))
    }
  }
}

let temporaryFiles = 0

/**
 * Writes a whole file beside the target and lets `place` put it there. The name of the temporary file begins with a
 * dot: a kill leaves no half record behind, only litter that is nobody's record.
 */
function writeBeside<T>(path: string, text: string, isDurable: boolean, place: (temporary: string) => T): T {
  const folder = dirname(path)
  temporaryFiles += 1
  const temporary = `${folder}/.tmp-${pidNamespace()}-${process.pid}-${temporaryFiles}`
  try {
    const fd = openSync(temporary, 'w', FILE_MODE)
    try {
      const bytes = Buffer.from(text)
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(fd, bytes, written)
      }
      if (isDurable) {
        fsyncSync(fd)
      }
    } finally {
      closeSync(fd)
    }
    const placed = place(temporary)
    if (isDurable) {
      syncPath(folder)
    }
    return placed
  } catch (error) {
    removeIfPresent(temporary)
    throw error
  }
}

function linkUnlessPresent(temporary: string, path: string): boolean {
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      return false
    }
    throw error
  } finally {
    removeIfPresent(temporary)
  }
}

/** The files below `root`, "" for the machine's own: a folder of a test stands for the whole machine. */
export function realFiles(addon: Addon, root = ''): FilePort {
  const at = (path: string) => root + path
  return {
    readText: (path) => whenPresent(() => readFileSync(at(path), 'utf8')),
    readLink: (path) => whenPresent(() => readlinkSync(at(path))),
    list: (folder) => whenPresent(() => readdirSync(at(folder))) ?? [],
    exists: (path) => existsSync(at(path)),
    makeFolder: (path) => named(at(path), 'be made', () => makeFolders(at(path))),
    write(path, text) {
      named(at(path), 'be written', () =>
        writeBeside(at(path), text, false, (temporary) => renameSync(temporary, at(path))),
      )
    },
    writeDurably(path, text) {
      named(at(path), 'be written', () =>
        writeBeside(at(path), text, true, (temporary) => renameSync(temporary, at(path))),
      )
    },
    createDurably: (path, text) =>
      named(at(path), 'be written', () =>
        writeBeside(at(path), text, true, (temporary) => linkUnlessPresent(temporary, at(path))),
      ),
    remove: (path) => named(at(path), 'be removed', () => removeIfPresent(at(path))),
    rename: (from, to) => named(at(from), `be renamed to ${at(to)}`, () => renameSync(at(from), at(to))),
    removeLitter: (folder) => removeLitter(at(folder)),
    isWritable(folder) {
      return whenAllowed(() => accessSync(at(folder), constants.W_OK | constants.X_OK))
    },
    isExecutable(path) {
      return whenAllowed(() => accessSync(at(path), constants.X_OK))
    },
    tryLock(path) {
      const fd = named(at(path), 'be opened', () => openSync(at(path), 'a', FILE_MODE))
      if (orThrow(addon.tryLock(fd), 'lock', path) === 0) {
        closeSync(fd)
        return undefined
      }
      return {
        fd,
        release() {
          addon.releaseLock(fd)
          closeSync(fd)
        },
      }
    },
  }
}

function whenAllowed(probe: () => void): boolean {
  try {
    probe()
    return true
  } catch {
    return false
  }
}
