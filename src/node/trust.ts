/** Whether what lies at a path can only have been put there by root. Then nobody else can exchange it, either. */
import { dirname } from 'node:path'
import { messageOf } from '../errors.js'
import type { FileFacts, FilePort } from '../host/ports.js'

/** As the kernel: more links in one path are a loop (ELOOP). */
const MAX_LINKS = 40

const WRITABLE_BY_GROUP = 0o020
const WRITABLE_BY_ALL = 0o002
const STICKY = 0o1000

/** `system groups`: a group may write, too, as in the /var/log of some distributions. */
export interface Trust {
  readonly writers?: 'root' | 'system groups'
}

/** A folder in which all may make names, but nobody may exchange those of others (/tmp). */
const isShared = ({ kind, mode }: FileFacts): boolean => kind === 'folder' && (mode & STICKY) !== 0

/** Why something cannot be trusted for itself, wherever it is; undefined when it can. `at` is how it is called. */
export function distrustOfFacts(
  { isOwn, uid, mode }: FileFacts,
  at: string,
  writers: Trust['writers'],
): string | undefined {
  if (!isOwn) {
    return `${at} belongs to user ${uid}, not to root`
  }
  const forbidden = writers === 'system groups' ? WRITABLE_BY_ALL : WRITABLE_BY_GROUP | WRITABLE_BY_ALL
  return (mode & forbidden) === 0 ? undefined : `others than root can write to ${at}`
}

/** As join() of node:path, which takes as long as the look at the folder. */
function stepInto(folder: string, part: string): string {
  if (part === '' || part === '.') {
    return folder
  }
  return part === '..' ? dirname(folder) : `${folder === '/' ? '' : folder}/${part}`
}

/**
 * Why a path cannot be trusted: it, or something on the way to it, belongs to somebody else than root, or others may
 * write to it. Undefined when it can be. Where it does not exist, what is there of the way to it is looked at. Symbolic
 * links are followed.
 * @throws PluginError kind `state` when it cannot be looked at
 */
export function distrustOf(
  files: Pick<FilePort, 'factsOf' | 'readLink'>,
  path: string,
  { writers = 'root' }: Trust = {},
): string | undefined {
  const parts = path.split('/')
  let real = '/'
  let folder: FileFacts | undefined
  for (let links = 0; parts.length > 0; ) {
    const part = parts.shift() ?? ''
    real = stepInto(real, part)
    const facts = files.factsOf(real)
    if (!facts) {
      return folder && isShared(folder) ? `others than root can make ${real}` : undefined
    }
    // A link has all permissions, and those do not count. In a shared folder nobody can exchange what is root's.
    const isOpen = facts.kind === 'link' || (isShared(facts) && parts.length > 0)
    const why = distrustOfFacts({ ...facts, mode: isOpen ? 0 : facts.mode }, real, writers)
    if (why !== undefined) {
      return why
    }
    if (facts.kind === 'link') {
      links += 1
      if (links > MAX_LINKS) {
        return `${path} leads through too many symbolic links`
      }
      const target = files.readLink(real) ?? ''
      parts.unshift(...target.split('/'))
      real = target.startsWith('/') ? '/' : dirname(real)
    } else {
      folder = facts
    }
  }
  return undefined
}

/** The same, where one can do without the path: what cannot be looked at is not trusted. */
export function whyNotUsed(
  files: Pick<FilePort, 'factsOf' | 'readLink'>,
  path: string,
  trust?: Trust,
): string | undefined {
  try {
    return distrustOf(files, path, trust)
  } catch (error) {
    return messageOf(error)
  }
}
