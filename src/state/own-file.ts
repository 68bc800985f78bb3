import { messageOf, PluginError } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import { distrustOfFacts } from '../node/trust.js'
import type { ReadRecord } from './record-format.js'

/**
 * The text of a file in a state folder that only root can write (requireTrustedState() sees to that); undefined when
 * there is none.
 * @throws PluginError kind `state` when it is not root's either: it was brought from elsewhere, and is not read
 */
export function readOwn(files: FilePort, path: string): string | undefined {
  const facts = files.factsOf(path)
  if (!facts || facts.kind === 'folder') {
    return undefined
  }
  const why = facts.kind === 'file' ? distrustOfFacts(facts, 'it', 'root') : 'it is no regular file'
  if (why !== undefined) {
    throw new PluginError({ kind: 'state', path, problem: `is not read: ${why}` })
  }
  return files.readText(path)
}

/** The text of a state file; `unreadable` when the disk does not give it. */
export function textAt(
  files: FilePort,
  path: string,
): string | Extract<ReadRecord, { kind: 'unreadable' }> | undefined {
  try {
    return readOwn(files, path)
  } catch (error) {
    return { kind: 'unreadable', problem: messageOf(error), isUnsure: true }
  }
}
