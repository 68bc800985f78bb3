/**
 * The journal of the node: a line of JSON for each call, so that an operator can see later why a pod did not start. It is
 * bounded: a full file becomes `.journal.1`, and takes the place of the one before.
 */
import { NODE_FOLDER } from '../cni/folders.js'
import { isJsonObject } from '../cni/json.js'
import type { FilePort } from '../host/ports.js'
import type { PhaseTimes } from './call-phases.js'
import { readOwn } from './own-file.js'
import type { RecordedPod } from './record.js'

/** The newest entries. */
export const JOURNAL = `${NODE_FOLDER}/.journal`
const OLDER = `${JOURNAL}.1`

/** Two of these are the megabyte that the journal may have. */
const MAX_FILE_BYTES = 512 * 1024
/** A configuration with many faults has a long message, and is written by a tenant. */
const MAX_MESSAGE = 1_000

/** How one call ended. */
export interface JournalEntry {
  /** The end of the call: ISO 8601, UTC. */
  readonly at: string
  readonly verb: string
  readonly ms: number
  readonly containerId: string
  readonly ifName: string
  readonly network: string
  readonly pod?: RecordedPod
  /** The PCI address of the device, as soon as the call knew it. */
  readonly device?: string
  /** What an ADD or a DEL spent its time on, in milliseconds. Another version may have other names. */
  readonly phases?: PhaseTimes
  /** Absent when the call succeeded. `kind` is what refused: the kernel, the policy, the IPAM plugin and so on. */
  readonly error?: { readonly code: number; readonly kind: string; readonly message: string }
}

const shortened = (text: string): string => (text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text)

/** Adds an entry. Never fails a call: without a journal everything else still holds. */
export function noteCall(files: FilePort, entry: JournalEntry): void {
  const { error } = entry
  const bounded = error ? { ...entry, error: { ...error, message: shortened(error.message) } } : entry
  try {
    files.append(JOURNAL, `${JSON.stringify(bounded)}\n`, { maxBytes: MAX_FILE_BYTES, fullTo: OLDER })
  } catch {
    // A full or a read-only disk.
  }
}

const areTimes = (phases: unknown): boolean =>
  isJsonObject(phases) && Object.values(phases).every((ms) => typeof ms === 'number' && ms >= 0)

function entryOf(line: string): JournalEntry | undefined {
  try {
    const entry: unknown = JSON.parse(line)
    const isEntry =
      isJsonObject(entry) &&
      ['at', 'verb', 'containerId', 'ifName', 'network'].every((key) => typeof entry[key] === 'string') &&
      typeof entry.ms === 'number' &&
      (entry.error === undefined || isJsonObject(entry.error)) &&
      (entry.pod === undefined || isJsonObject(entry.pod)) &&
      (entry.phases === undefined || areTimes(entry.phases))
    return isEntry ? (entry as unknown as JournalEntry) : undefined
  } catch {
    // A power cut can take a part of a line.
    return undefined
  }
}

/** All entries, oldest first. @throws PluginError kind `state` when the disk does not give them */
export const journalEntries = (files: FilePort): JournalEntry[] =>
  [OLDER, JOURNAL].flatMap((path) => (readOwn(files, path) ?? '').split('\n').flatMap((line) => entryOf(line) ?? []))
