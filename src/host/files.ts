import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
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
import { writeAttribute } from './attributes.js'
import type { FilePort } from './ports.js'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** Temporary files: PID namespace, PID, number. */
const TEMPORARY = /^\.tmp-(\d+)-(\d+)-\d+(-2)?$/

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

const look = <T>(path: string, read: () => T): T | undefined => named(path, 'be read', () => whenPresent(read))

/** mkdir -p, of many callers at once. Not Node's: on a read-only file system that says ENOENT. */
function makeFolders(path: string, isParentThere = false): void {
  try {
    mkdirSync(path, FOLDER_MODE)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' && !isParentThere) {
      makeFolders(dirname(path))
      makeFolders(path, true)
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

/** What writers that were killed left: temporary files whose process is gone. Litter that stays is no error. */
function removeLitter(folder: string): void {
  try {
    const own = pidNamespace()
    for (const name of readdirSync(folder)) {
      const [, namespace, pid] = TEMPORARY.exec(name) ?? []
      if (namespace === own && !existsSync(`/proc/${pid}`)) {
        removeIfPresent(join(folder, name))
      }
    }
  } catch {
    // The next call tries again.
  }
}

/** Opens a lock file, which is made when missing; on a disk that is read-only by now one that is there will do. */
function openLockFile(path: string): number {
  try {
    return openSync(path, 'a', FILE_MODE)
  } catch (error) {
    if (errnoOf(error) !== 'EROFS') {
      throw error
    }
    return openSync(path, 'r')
  }
}

let temporaryFiles = 0

/** The name of a temporary file's second link. */
const second = (temporary: string): string => `${temporary}-2`

/** What of a written file is on the disk for sure: nothing, its text, or its place in the folder, too. */
type Durability = 'none' | 'file' | 'folder'

/**
 * Writes a whole file beside the target and lets `place` put it there. The name of the temporary file begins with a
 * dot: a kill leaves no half record behind, only litter that is nobody's record.
 */
function writeBeside<T>(path: string, text: string, durability: Durability, place: (temporary: string) => T): T {
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
      if (durability !== 'none') {
        fsyncSync(fd)
      }
    } finally {
      closeSync(fd)
    }
    const placed = place(temporary)
    if (durability === 'folder') {
      syncPath(folder)
    }
    return placed
  } catch (error) {
    removeIfPresent(temporary)
    removeIfPresent(second(temporary))
    throw error
  }
}

const replace = (path: string, text: string, durability: Durability): void =>
  named(path, 'be written', () => writeBeside(path, text, durability, (temporary) => renameSync(temporary, path)))

function linkUnlessPresent(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      return false
    }
    throw error
  }
}

/** A second name for a file, which it takes from another file at once where that has it. */
function linkOver(from: string, to: string): void {
  if (!linkUnlessPresent(from, to)) {
    linkSync(from, second(from))
    renameSync(second(from), to)
  }
}

/** One new file under two names; neither when the first is taken. */
function linkTwice(temporary: string, path: string, twin: string): boolean {
  const isNew = linkUnlessPresent(temporary, path)
  if (isNew) {
    linkOver(temporary, twin)
  }
  removeIfPresent(temporary)
  return isNew
}

/** The files below `root`, "" for the machine's own: a folder of a test stands for the whole machine. */
export function realFiles(addon: Addon, root = ''): FilePort {
  const at = (path: string) => root + path
  return {
    readText: (path) => look(at(path), () => readFileSync(at(path), 'utf8')),
    readLink: (path) => look(at(path), () => readlinkSync(at(path))),
    list: (folder) => look(at(folder), () => readdirSync(at(folder))) ?? [],
    exists: (path) => look(at(path), () => lstatSync(at(path))) !== undefined,
    makeFolder: (path) => named(at(path), 'be made', () => makeFolders(at(path))),
    write: (path, text) => replace(at(path), text, 'none'),
    writeWhole: (path, text, twin) =>
      named(at(path), 'be written', () =>
        writeBeside(at(path), text, 'file', (temporary) => {
          linkSync(temporary, second(temporary))
          renameSync(temporary, at(path))
          renameSync(second(temporary), at(twin))
        }),
      ),
    writeDurably: (path, text) => replace(at(path), text, 'folder'),
    createDurably: (path, text, twin) =>
      named(at(path), 'be written', () =>
        writeBeside(at(path), text, 'folder', (temporary) => linkTwice(temporary, at(path), at(twin))),
      ),
    writeAttribute: (path, text) => writeAttribute(at(path), text),
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
      const fd = named(at(path), 'be opened', () => openLockFile(at(path)))
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
