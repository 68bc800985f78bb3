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
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from '../errors.js'
import { type Addon, orThrow } from './addon.js'
import type { FilePort } from './ports.js'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** Errors that say "it is not there": ENODEV, ENXIO and EOPNOTSUPP come from sysfs, EINVAL from reading what is no link. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO', 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP'])

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

function removeIfPresent(path: string): void {
  whenPresent(() => unlinkSync(path))
}

let temporaryFiles = 0

/**
 * Writes a whole file beside the target and lets `place` put it there. The name of the temporary file begins with a
 * dot: a kill leaves no half record behind, only litter that is nobody's record.
 */
function writeBeside<T>(path: string, text: string, isDurable: boolean, place: (temporary: string) => T): T {
  const folder = dirname(path)
  temporaryFiles += 1
  const temporary = `${folder}/.tmp-${process.pid}-${temporaryFiles}`
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
    makeFolder(path) {
      mkdirSync(at(path), { recursive: true, mode: FOLDER_MODE })
    },
    write(path, text) {
      writeBeside(at(path), text, false, (temporary) => renameSync(temporary, at(path)))
    },
    writeDurably(path, text) {
      writeBeside(at(path), text, true, (temporary) => renameSync(temporary, at(path)))
    },
    createDurably: (path, text) =>
      writeBeside(at(path), text, true, (temporary) => linkUnlessPresent(temporary, at(path))),
    remove(path) {
      removeIfPresent(at(path))
    },
    rename(from, to) {
      renameSync(at(from), at(to))
    },
    isWritable(folder) {
      return whenAllowed(() => accessSync(at(folder), constants.W_OK | constants.X_OK))
    },
    isExecutable(path) {
      return whenAllowed(() => accessSync(at(path), constants.X_OK))
    },
    tryLock(path) {
      const fd = openSync(at(path), 'a', FILE_MODE)
      if (orThrow(addon.tryLock(fd), 'lock', path) === 0) {
        closeSync(fd)
        return undefined
      }
      return { fd, release: () => closeSync(fd) }
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
