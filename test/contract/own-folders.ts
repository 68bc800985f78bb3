import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

const SCRIPT = 'mount --bind "$1" /var/lib && mount --bind "$2" /var/log && shift 2 && exec "$@"'

/** Why a program cannot be run with folders of its own; undefined when it can. */
export const missingForOwnFolders = process.getuid?.() === 0 ? undefined : 'needs root'

/**
 * In front of a command line: what runs then finds `folder`/lib at /var/lib and `folder`/log at /var/log. The machine's own
 * stay as they are.
 */
export function withinOwnFolders(folder: string): readonly string[] {
  const own = ['lib', 'log'].map((name) => join(folder, name))
  for (const one of own) {
    mkdirSync(one, { recursive: true })
  }
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sh', ...own]
}
