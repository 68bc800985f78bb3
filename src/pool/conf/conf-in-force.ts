import { type ConfigIssue, messageOf } from '../../errors.js'
import type { Log } from '../../host/ports.js'

/** What was read from a configuration file. */
export interface ReadConf<Resource> {
  readonly resources: readonly Resource[]
  /** What is wrong with the file. A resource that is wrong is left out. */
  readonly issues: readonly ConfigIssue[]
  /** Keys that are not known and change nothing. */
  readonly ignored: readonly string[]
}

/** The resources of a file, through its changes. */
export interface ConfInForce<Resource> {
  resources(): readonly Resource[]
  /** Reads the file again. A wrong one changes nothing, except the first time: then what is right of it counts. */
  reread(): void
}

function tell<Resource>(log: Log, file: string, { issues, ignored }: ReadConf<Resource>): void {
  for (const { key, problem } of issues) {
    log.error('the configuration is wrong', { file, key, problem })
  }
  if (ignored.length > 0) {
    log.warning('keys of the configuration are not known, and change nothing', { file, keys: ignored })
  }
}

/** `read` gives undefined when there is no file. Throws nothing. */
export function confInForce<Resource extends { readonly resource: string }>(
  log: Log,
  file: string,
  read: () => ReadConf<Resource> | undefined,
): ConfInForce<Resource> {
  let current: readonly Resource[] | undefined
  return {
    resources: () => current ?? [],
    reread() {
      try {
        const found = read()
        if (!found) {
          log.error('there is no configuration file', { file })
          return
        }
        tell(log, file, found)
        if (current !== undefined && found.issues.length > 0) {
          log.error('the configuration of before stays in force', { file })
          return
        }
        current = found.resources
        log.info('configuration in force', { file, resources: current.map(({ resource }) => resource) })
      } catch (error) {
        log.error('the configuration cannot be read', { file, error: messageOf(error) })
      }
    },
  }
}
