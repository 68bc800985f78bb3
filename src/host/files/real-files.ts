import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  opendirSync,
  openSync,
  renameSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf, messageOf, PluginError } from '../../errors.js'
import { type Addon, orThrow } from '../addon.js'
import { errnoName } from '../errno.js'
import type { FilePort, Prepared } from '../ports.js'
import { writeAttribute } from './attributes.js'
import { appendBounded } from './bounded-file.js'
import { factsOf } from './file-facts.js'
import { type SyncPaths, syncAtOnce } from './group-commit.js'
import { codecFor } from './path-names.js'
import {
  createDurably,
  isAbsence,
  prepare,
  removeIfPresent,
  removeLitter,
  writeOver,
  writeWhole,
} from './whole-files.js'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** Runs `work`. An error names the path and the failed action. @throws PluginError kind `state` */
function named<T>(path: string, what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new PluginError({ kind: 'state', path, problem: `cannot ${what}: ${errnoOf(error) ?? messageOf(error)}` })
  }
}

/** The same for work that takes its time. @throws PluginError kind `state` */
async function naming<T>(path: string, what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    return named(path, what, () => {
      throw error
    })
  }
}

/**
 * The addon's answer about a path; undefined when nothing is there. The addon does the reads because it reports absence
 * without an exception.
 * @throws PluginError kind `state`
 */
function found<T>(path: string, answer: T | number): T | undefined {
  if (typeof answer !== 'number') {
    return answer
  }
  const errno = errnoName(-answer)
  if (isAbsence(errno)) {
    return undefined
  }
  throw new PluginError({ kind: 'state', path, problem: `cannot be read: ${errno}` })
}

/** mkdir -p that tolerates concurrent callers. Node's own version reports ENOENT on a read-only file system. */
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

/** Opens a lock file and creates it when missing. On a disk that has become read-only, an existing file will do. */
function openLockFile(path: string): number {
  try {
    const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, FILE_MODE)
  } catch (error) {
    if (errnoOf(error) !== 'EROFS') {
      throw error
    }
    return openSync(path, 'r')
  }
}

/**
 * The files below `root`: "" is the machine's own; a test passes a folder that stands for the whole machine. `sync` brings
 * them to the disk.
 */
export function realFiles(addon: Addon, root = '', sync: SyncPaths = syncAtOnce(addon)): FilePort {
  const at = (path: string) => root + path
  const octets = (path: string) => codecFor(path).encode(at(path))
  const disk = { addon, sync }
  async function prepared(path: string, text: string): Promise<Prepared> {
    const file = await naming(at(path), 'be written', () => prepare(disk, at(path), text))
    return { ...file, place: () => naming(at(path), 'be written', () => file.place()) }
  }
  return {
    readText: (path) => found(at(path), addon.readText(octets(path))),
    readLink(path) {
      const target = found(at(path), addon.readLink(octets(path)))
      return target === undefined ? undefined : codecFor(path).decode(target)
    },
    list: (folder) =>
      found(at(folder), addon.readFolder(octets(folder)))
        ?.map(codecFor(folder).decode)
        .sort() ?? [],
    names: (folder) => namesIn(at(folder)),
    exists: (path) => {
      const answer = addon.isThere(octets(path))
      return answer === 0 || found(at(path), answer) !== undefined
    },
    factsOf: (path) => named(at(path), 'be looked at', () => factsOf(at(path))),
    makeFolder(path) {
      // The folder nearly always exists, and mkdir(2) would then throw.
      if (addon.isThere(octets(`${path}/`)) !== 0) {
        named(at(path), 'be made', () => makeFolders(at(path)))
      }
    },
    write: (path, text) => named(at(path), 'be written', () => writeOver(addon, at(path), text)),
    writeWhole: (path, text, twin) => naming(at(path), 'be written', () => writeWhole(disk, at(path), text, at(twin))),
    prepare: prepared,
    async writeDurably(path, text) {
      using file = await prepared(path, text)
      await file.place()
    },
    sync: (path) => naming(at(path), 'be synced', () => sync(dirname(at(path)), [at(path), dirname(at(path))])),
    createDurably(path, text, twin) {
      const written = named(at(path), 'be written', () =>
        createDurably(disk, at(path), text, twin === undefined ? undefined : at(twin)),
      )
      return written && { onDisk: naming(at(path), 'be written', () => written.onDisk) }
    },
    writeAttribute: (path, text, timeoutMs) => writeAttribute(at(path), text, timeoutMs),
    append: (path, text, limits) =>
      named(at(path), 'be appended to', () => {
        const bounds = { ...limits, fullTo: at(limits.fullTo) }
        try {
          appendBounded(at(path), text, bounds)
        } catch (error) {
          if (errnoOf(error) !== 'ENOENT') {
            throw error
          }
          makeFolders(dirname(at(path)))
          appendBounded(at(path), text, bounds)
        }
      }),
    remove: (path) => named(at(path), 'be removed', () => removeIfPresent(at(path))),
    rename: (from, to) => named(at(from), `be renamed to ${at(to)}`, () => renameSync(at(from), at(to))),
    removeLitter: (folder) => removeLitter(at(folder)),
    freeBytes(folder) {
      const { bavail, bsize } = named(at(folder), 'be looked at', () => statfsSync(at(folder)))
      return bavail * bsize
    },
    isWritable(folder) {
      return whenAllowed(() => accessSync(at(folder), constants.W_OK | constants.X_OK))
    },
    isExecutable(path) {
      return whenAllowed(() => accessSync(at(path), constants.X_OK))
    },
    tryLock(path) {
      let fd = named(at(path), 'be opened', () => openLockFile(at(path)))
      let taken = addon.tryLock(fd, at(path))
      // `sriovctl purge` has removed the file since it was opened.
      while (taken < 0 && errnoName(-taken) === 'ESTALE') {
        closeSync(fd)
        fd = named(at(path), 'be opened', () => openLockFile(at(path)))
        taken = addon.tryLock(fd, at(path))
      }
      if (taken <= 0) {
        closeSync(fd)
        orThrow(taken, 'lock', path)
        return undefined
      }
      let isChilds = false
      return {
        fd,
        leaveToChild() {
          isChilds = true
        },
        [Symbol.dispose]() {
          if (!isChilds) {
            addon.releaseLock(fd)
          }
          closeSync(fd)
        },
      }
    },
  }
}

const NAMES_AT_ONCE = 512

function* namesIn(folder: string): Generator<string> {
  const dir = named(folder, 'be listed', () => opendirSync(folder, { bufferSize: NAMES_AT_ONCE }))
  try {
    for (let entry = dir.readSync(); entry; entry = dir.readSync()) {
      yield entry.name
    }
  } finally {
    dir.closeSync()
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
