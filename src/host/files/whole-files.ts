/** Files that are written beside their place and moved there whole. Nobody ever reads half a file. */
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
  rmdirSync,
  unlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf } from '../../errors.js'
import { type Addon, orThrow } from '../addon.js'
import type { Prepared, Written } from '../ports.js'
import type { SyncPaths } from './group-commit.js'

/** The name of a temporary file: PID namespace, PID, number; "-2" marks its second link. */
const TEMPORARY = /^\.tmp-(\d+)-(\d+)-\d+(-2)?$/

/**
 * Errors that mean "there is no such file". ENODEV, ENXIO and EOPNOTSUPP come from sysfs, EINVAL from readlink on
 * something that is not a link.
 */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ENODEV', 'ENXIO', 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP'])

/** Whether an errno means that nothing is at a path. */
export const isAbsence = (errno: string): boolean => ABSENT.has(errno)

function syncPath(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Removes a file, or an empty folder in its place. A missing file is no error. */
export function removeIfPresent(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    const errno = errnoOf(error) ?? ''
    if (errno === 'EISDIR') {
      rmdirSync(path)
    } else if (!isAbsence(errno)) {
      throw error
    }
  }
}

/** PIDs count within one PID namespace only: a plugin in a container must not judge the host's PIDs. */
let ownPidNamespace: string | undefined

function pidNamespace(): string {
  ownPidNamespace ??= readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')
  return ownPidNamespace
}

/** Removes temporary files whose process is gone: killed writers left them. A file that stays is no error. */
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

const second = (temporary: string): string => `${temporary}-2`

/** What it takes to write: the addon, and who brings things to the disk. */
export interface Disk {
  readonly addon: Addon
  readonly sync: SyncPaths
}

/** Runs `work` with a temporary file, which is removed when that fails. */
function withTemporary<T>(temporary: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    removeIfPresent(temporary)
    removeIfPresent(second(temporary))
    throw error
  }
}

/**
 * Writes a whole file beside its place and returns its path. Its name begins with a dot: after a kill it is mere litter,
 * and no half record remains.
 */
function writeTemporary(addon: Addon, path: string, text: string): string {
  temporaryFiles += 1
  const temporary = `${dirname(path)}/.tmp-${pidNamespace()}-${process.pid}-${temporaryFiles}`
  return withTemporary(temporary, () => {
    orThrow(addon.writeNew(temporary, Buffer.from(text)), 'write', temporary)
    return temporary
  })
}

/**
 * Errors of link(2) on a file system without hard links, such as some FUSE and network file systems. Its man page names
 * EPERM.
 */
const NO_LINKS = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'])

/** Gives a file a second name; false on a file system without hard links. */
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

/** Makes the second name of a temporary file. Without hard links this is a synced copy. Returns its path. */
function makeSecond(temporary: string): string {
  const path = second(temporary)
  // A killed process of the same number may have left it.
  removeIfPresent(path)
  if (!tryLink(temporary, path)) {
    copyFileSync(temporary, path)
    syncPath(path)
  }
  return path
}

/**
 * Does the work of link(2) without hard links: `to` must not exist yet. A kill in between leaves an empty file, which
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

/** Gives a file a second name. If another file has that name, it is replaced atomically. */
function linkOver(from: string, to: string): void {
  if (!linkUnlessPresent(from, to)) {
    renameSync(makeSecond(from), to)
  }
}

/** Gives one new file two names, or neither when the first is taken. */
function linkTwice(temporary: string, path: string, twin: string | undefined): boolean {
  const isNew = linkUnlessPresent(temporary, path)
  if (isNew && twin !== undefined) {
    linkOver(temporary, twin)
  }
  removeIfPresent(temporary)
  return isNew
}

/** Replaces a file atomically. Survives a kill of this process, not a power cut. */
export function writeOver(addon: Addon, path: string, text: string): void {
  const temporary = writeTemporary(addon, path, text)
  withTemporary(temporary, () => renameSync(temporary, path))
}

/** Writes a whole file beside its place and brings it to the disk. Returns its path. */
async function writeSynced({ addon, sync }: Disk, path: string, text: string): Promise<string> {
  const temporary = writeTemporary(addon, path, text)
  try {
    await sync(dirname(path), [temporary])
  } catch (error) {
    removeIfPresent(temporary)
    throw error
  }
  return temporary
}

/** Writes the new text of a file beside it. It is on the disk when the promise resolves. */
export async function prepare(disk: Disk, path: string, text: string): Promise<Prepared> {
  const temporary = await writeSynced(disk, path, text)
  let isPlaced = false
  return {
    async place() {
      withTemporary(temporary, () => renameSync(temporary, path))
      isPlaced = true
      await disk.sync(dirname(path), [dirname(path)])
    },
    [Symbol.dispose]() {
      if (!isPlaced) {
        removeIfPresent(temporary)
      }
    },
  }
}

/** Replaces the twin of a file, then the file, each atomically. After a power cut each is the old one or the new one. */
export async function writeWhole(disk: Disk, path: string, text: string, twin: string): Promise<void> {
  const temporary = await writeSynced(disk, path, text)
  withTemporary(temporary, () => {
    renameSync(makeSecond(temporary), twin)
    renameSync(temporary, path)
  })
}

/** Creates a file under one or two names; undefined when the first name is taken. */
export function createDurably({ addon, sync }: Disk, path: string, text: string, twin?: string): Written | undefined {
  const temporary = writeTemporary(addon, path, text)
  const isNew = withTemporary(temporary, () => linkTwice(temporary, path, twin))
  return isNew ? { onDisk: sync(dirname(path), [path, dirname(path)]) } : undefined
}
