/** Which calls the journal of the node has, and what it says of them. */
import type { CallArgs, Verb } from '../cni/args.js'
import { errorDocument } from '../cni/error-codes.js'
import { PluginError } from '../errors.js'
import type { CallHost } from '../state/folder.js'
import { type JournalEntry, noteCall } from '../state/journal.js'

/** A runtime repeats STATUS, GC and CHECK every few seconds: a success of theirs is no news. */
const NOTED: Readonly<Record<Verb, 'always' | 'failure' | 'never'>> = {
  ADD: 'always',
  DEL: 'always',
  CHECK: 'failure',
  GC: 'failure',
  STATUS: 'never',
}

function errorOf(thrown: unknown): NonNullable<JournalEntry['error']> {
  const { code, msg, details } = errorDocument(thrown)
  const kind = thrown instanceof PluginError ? thrown.fault.kind : 'defect'
  return { code, kind, message: details === undefined ? msg : `${msg}: ${details}` }
}

interface Noted {
  readonly verb: Verb
  readonly args: CallArgs
  readonly network: string
}

/** How a call writes its end into the journal. */
export interface CallJournal {
  succeeded(): void
  failed(thrown: unknown): void
}

/** Begins to measure a call. */
export function journalOf(
  { files, clock, pod, story }: CallHost,
  { verb, args: { containerId, ifName }, network }: Noted,
): CallJournal {
  const startMs = clock.nowMs()
  const note = (end: Pick<JournalEntry, 'error'>) =>
    noteCall(files, {
      at: new Date(clock.dateMs()).toISOString(),
      verb,
      ms: Math.round((clock.nowMs() - startMs) * 10) / 10,
      containerId,
      ifName,
      network,
      ...(pod && { pod }),
      ...(story.device !== undefined && { device: story.device }),
      ...end,
    })
  return {
    succeeded() {
      if (NOTED[verb] === 'always') {
        note({})
      }
    },
    failed(thrown) {
      if (NOTED[verb] !== 'never') {
        note({ error: errorOf(thrown) })
      }
    },
  }
}
