/** Which calls the journal of the node has, and what it says of them. */
import type { CallArgs, Verb } from '../cni/args.js'
import { errorDocument } from '../cni/error-codes.js'
import { PluginError } from '../errors.js'
import type { CallHost } from '../state/folder.js'
import { type JournalEntry, noteCall } from '../state/journal.js'
import type { AttachmentRecord } from '../state/record.js'

/**
 * A runtime repeats STATUS, GC and CHECK every few seconds: a success of theirs is no news. What a GC gives back has
 * entries of its own (givingBack()).
 */
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

/** Begins to measure. The returned function adds the entry, with the error if there was one. */
function measured({ files, clock }: CallHost): (entry: Omit<JournalEntry, 'at' | 'ms'>, thrown?: unknown) => void {
  const startMs = clock.nowMs()
  return (entry, thrown) =>
    noteCall(files, {
      at: new Date(clock.dateMs()).toISOString(),
      ms: Math.round((clock.nowMs() - startMs) * 10) / 10,
      ...entry,
      ...(thrown !== undefined && { error: errorOf(thrown) }),
    })
}

/** Begins to measure a call. */
export function journalOf(host: CallHost, { verb, args: { containerId, ifName }, network }: Noted): CallJournal {
  const add = measured(host)
  const note = (thrown?: unknown) => {
    const { pod, story } = host
    const times = host.phases.times()
    const device = story.device !== undefined && { device: story.device }
    // A CHECK or a GC is noted only when it fails, which says nothing of how long they take.
    const phases = NOTED[verb] === 'always' && Object.keys(times).length > 0 && { phases: times }
    add({ verb, containerId, ifName, network, ...(pod && { pod }), ...device, ...phases }, thrown)
  }
  return {
    succeeded() {
      if (NOTED[verb] === 'always') {
        note()
      }
    },
    failed(thrown) {
      if (NOTED[verb] !== 'never') {
        note(thrown)
      }
    },
  }
}

/** A device that a GC or an operator gives back, with the attachment that had it, if that is known. */
export interface GivenBack {
  /** Operators' verbs are small: release, repair. */
  readonly verb: 'GC' | 'release' | 'repair'
  readonly device: string
  readonly record?: AttachmentRecord
}

/** Gives a device back by `work`, and notes that; a failure, too, unless the GC notes it for all. @throws what `work` throws */
export async function givingBack<T>(
  host: CallHost,
  { verb, device, record }: GivenBack,
  work: () => Promise<T>,
): Promise<T> {
  const add = measured(host)
  const { containerId = '', ifName = '', network = '', pod } = record ?? {}
  const entry = { verb, containerId, ifName, network, ...(pod && { pod }), device }
  try {
    const done = await work()
    add(entry)
    return done
  } catch (thrown) {
    if (verb !== 'GC') {
      add(entry, thrown)
    }
    throw thrown
  }
}
