import { dirname } from 'node:path'
import { PluginError } from '../../../src/errors.js'
import type { FilePort } from '../../../src/host/ports.js'
import { Refused } from '../kernel/links.js'
import type { Interference } from './interference.js'
import { writeSysfs } from './pci-drivers.js'
import { isSysfs, sysfsExists, sysfsLink, sysfsList, sysfsText } from './sysfs.js'
import type { FakeWorld } from './world.js'

/** An error as the real files throw it. */
const fileError = (code: string, path: string): PluginError =>
  new PluginError({ kind: 'state', path, problem: `cannot be used: ${code}` })

/** The files of a fake world: sysfs follows the fake kernel, the rest is kept by path. */
export function fakeFiles(world: FakeWorld, interfere: Interference): FilePort {
  const { files, folders, symlinks, locks, programs } = world
  const throwAt =
    (path: string) =>
    (errno: string): never => {
      throw fileError(errno, path)
    }
  const change = <T>(what: string, path: string, work: () => T): T =>
    interfere({ kind: 'file', what: `${what} ${path}`, isChange: true }, work, throwAt(path))
  const look = <T>(path: string, work: () => T): T =>
    interfere({ kind: 'file', what: `look at ${path}`, isChange: false }, work, throwAt(path))
  const requirePlace = (path: string) => {
    if (!folders.has(dirname(path))) {
      throw fileError('ENOENT', path)
    }
    if (folders.has(path)) {
      throw fileError('EISDIR', path)
    }
  }
  const place = (path: string, text: string) => {
    requirePlace(path)
    files.set(path, text)
  }
  const synced = async (path: string) => change('sync', path, () => undefined)
  const namesIn = (folder: string): string[] => {
    const prefix = `${folder}/`
    const inside = [...files.keys(), ...symlinks.keys(), ...programs.keys(), ...folders].filter((path) =>
      path.startsWith(prefix),
    )
    return [...new Set(inside.map((path) => path.slice(prefix.length).split('/')[0] ?? ''))].sort()
  }
  return {
    readText: (path) => look(path, () => (isSysfs(path) ? sysfsText(world, path) : files.get(path))),
    readLink: (path) => look(path, () => (isSysfs(path) ? sysfsLink(world, path) : symlinks.get(path))),
    list: (folder) => look(folder, () => (isSysfs(folder) ? sysfsList(world, folder) : namesIn(folder))),
    names: (folder) => look(folder, () => namesIn(folder)),
    exists: (path) =>
      look(path, () => (isSysfs(path) ? sysfsExists(world, path) : files.has(path) || folders.has(path))),
    factsOf: (path) =>
      look(path, () => {
        const kind = symlinks.has(path) ? 'link' : files.has(path) || programs.has(path) ? 'file' : 'folder'
        if (kind === 'folder' && path !== '/' && namesIn(path).length === 0 && !folders.has(path)) {
          return undefined
        }
        const { uid = 0, mode = kind === 'folder' ? 0o755 : 0o600 } = world.owners.get(path) ?? {}
        return { kind, uid, isOwn: uid === 0, mode, changedMs: world.changedMs.get(path) ?? 0 }
      }),
    makeFolder(path) {
      if (files.has(path)) {
        throw fileError('EEXIST', path)
      }
      if (!folders.has(path)) {
        change('make folder', path, () => {
          for (let folder = path; folder !== '/'; folder = dirname(folder)) {
            folders.add(folder)
          }
        })
      }
    },
    write: (path, text) => change('write', path, () => place(path, text)),
    async writeWhole(path, text, twin) {
      change('write whole', twin, () => place(twin, text))
      change('write whole', path, () => place(path, text))
    },
    async writeDurably(path, text) {
      change('write durably', path, () => place(path, text))
    },
    sync: synced,
    async prepare(path, text) {
      change('prepare', path, () => requirePlace(path))
      return {
        async place() {
          change('put in its place', path, () => place(path, text))
        },
        [Symbol.dispose]: () => undefined,
      }
    },
    createDurably(path, text, twin) {
      const isNew = change('create', path, () => {
        const isFree = !files.has(path)
        if (isFree) {
          place(path, text)
        }
        return isFree
      })
      if (isNew && twin !== undefined) {
        change('create', twin, () => place(twin, text))
      }
      return isNew ? { onDisk: synced(path) } : undefined
    },
    async writeAttribute(path, text) {
      const refuse = (code: string): never => {
        throw new PluginError({ kind: 'kernel', operation: `write ${JSON.stringify(text.trim())}`, target: path, code })
      }
      interfere(
        { kind: 'file', what: `write attribute ${path}`, isChange: true },
        () => {
          try {
            writeSysfs(world, path, text)
          } catch (error) {
            if (!(error instanceof Refused)) {
              throw error
            }
            refuse(error.errno)
          }
        },
        refuse,
      )
    },
    // Not interfered with: its refusal is never an error (state/journal.ts).
    append(path, text, { maxBytes, fullTo }) {
      const whole = (files.get(path) ?? '') + text
      files.delete(path)
      files.set(whole.length > maxBytes ? fullTo : path, whole)
    },
    remove(path) {
      change('remove', path, () => files.delete(path))
    },
    rename(from, to) {
      change('rename', from, () => {
        const text = files.get(from)
        if (text === undefined) {
          throw fileError('ENOENT', from)
        }
        files.delete(from)
        files.set(to, text)
      })
    },
    freeBytes: () => world.freeBytes,
    isWritable: (folder) => look(folder, () => folders.has(folder)),
    isExecutable: (path) => look(path, () => programs.has(path)),
    removeLitter: () => undefined,
    tryLock(path) {
      return interfere(
        { kind: 'lock', what: path, isChange: false },
        () => {
          if (locks.has(path)) {
            return undefined
          }
          locks.add(path)
          return { fd: -1, leaveToChild: () => undefined, [Symbol.dispose]: () => void locks.delete(path) }
        },
        throwAt(path),
      )
    },
  }
}
