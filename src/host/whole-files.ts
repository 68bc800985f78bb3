/** Files that are written beside their place and put there whole: nobody ever reads half of one. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  unlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf } from '../errors.js'
import { type Addon, orThrow } from './addon.js'

/** Temporary files: PID namespace, PID, number. */
const TEMPORARY = /^\.tmp-(\d+)-(\d+)-\d+(-2)?$/

/** Errors that say "there is no such file": ENODEV, ENXIO and EOPNOTSUPP come from sysfs, EINVAL from reading what is no link. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ENODEV', 'ENXIO', 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP'])

/** Whether an errno says that there is nothing at a path. */
export const isAbsence = (errno: string): boolean => ABSENT.has(errno)

/** What is read, or undefined where there is nothing to read. */
function whenPresent<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isAbsence(errnoOf(error) ?? '')) {
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

/** Removes a file; that there is none is no error. */
export function removeIfPresent(path: string): void {
  whenPresent(() => unlinkSync(path))
}

/** Process IDs count within one PID namespace only: the plugin of a container must not judge the host's. */
let ownPidNamespace: string | undefined

function pidNamespace(): string {
  ownPidNamespace ??= readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')
  return ownPidNamespace
}

/** What writers that were killed left: temporary files whose process is gone. Litter that stays is no error. */
export function removeLitter(folder: string): void {
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

let temporaryFiles = 0

/** The name of a temporary file's second link. */
const second = (temporary: string): string => `${temporary}-2`

/** What of a written file is on the disk for sure: nothing, its text, or its place in the folder, too. */
type Durability = 'none' | 'file' | 'folder'

/**
 * Writes a whole file beside the target and lets `place` put it there. The name of the temporary file begins with a
 * dot: a kill leaves no half record behind, only litter that is nobody's record.
 */
function writeBeside<T>(
  addon: Addon,
  path: string,
  text: string,
  { durability, place }: { readonly durability: Durability; readonly place: (temporary: string) => T },
): T {
  const folder = dirname(path)
  temporaryFiles += 1
  const temporary = `${folder}/.tmp-${pidNamespace()}-${process.pid}-${temporaryFiles}`
  try {
    orThrow(addon.writeNew(temporary, Buffer.from(text), Number(durability !== 'none')), 'write', temporary)
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

/** What link(2) says on a file system that has no hard links, as some of FUSE and of the network: EPERM, by its man page. */
const NO_LINKS = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'])

/** Gives a file a second name; false on a file system that has no hard links. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (NO_LINKS.has(errnoOf(error) ?? '')) {
      return false
    }
    throw error
  }
}

/** Makes the second name of a temporary file, without hard links a copy on the disk; returns its path. */
function makeSecond(temporary: string): string {
  const path = second(temporary)
  if (!tryLink(temporary, path)) {
    copyFileSync(temporary, path)
    syncPath(path)
  }
  return path
}

/**
 * Does without hard links what a link does: takes a path that must be free. A kill in between leaves an empty file, which
 * counts as a damaged record of an attachment that has nothing yet.
 */
function copyUnlessPresent(from: string, to: string): void {
  closeSync(openSync(to, 'wx'))
  try {
    renameSync(makeSecond(from), to)
  } catch (error) {
    removeIfPresent(to)
    throw error
  }
}

function linkUnlessPresent(from: string, to: string): boolean {
  try {
    if (!tryLink(from, to)) {
      copyUnlessPresent(from, to)
    }
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
    renameSync(makeSecond(from), to)
  }
}

/** One new file under two names; neither when the first is taken. */
function linkTwice(temporary: string, path: string, twin: string | undefined): boolean {
  const isNew = linkUnlessPresent(temporary, path)
  if (isNew && twin !== undefined) {
    linkOver(temporary, twin)
  }
  removeIfPresent(temporary)
  return isNew
}

/** Replaces a file at once. Survives a kill of this process, not a power cut. */
export const writeOver = (addon: Addon, path: string, text: string): void =>
  writeBeside(addon, path, text, { durability: 'none', place: (temporary) => renameSync(temporary, path) })

/** The same, and its twin after it; after a power cut each is the old one or the new one. */
export const writeWhole = (addon: Addon, path: string, text: string, twin: string): void =>
  writeBeside(addon, path, text, {
    durability: 'file',
    place(temporary) {
      const copy = makeSecond(temporary)
      renameSync(temporary, path)
      renameSync(copy, twin)
    },
  })

/** Replaces a file, on the disk when it returns. */
export const writeDurably = (addon: Addon, path: string, text: string): void =>
  writeBeside(addon, path, text, { durability: 'folder', place: (temporary) => renameSync(temporary, path) })

/** Makes a file that must not exist yet, under one or two names, and on the disk when it returns; false when it exists. */
export const createDurably = (addon: Addon, path: string, text: string, twin?: string): boolean =>
  writeBeside(addon, path, text, { durability: 'folder', place: (temporary) => linkTwice(temporary, path, twin) })
