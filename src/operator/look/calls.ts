/** `sriovctl logs` and `sriovctl why`: what became of the calls for pods, from the journal. */

import { survey } from '../../sriov/survey/survey.js'
import type { CallHost } from '../../state/folder.js'
import { type JournalEntry, journalEntries } from '../../state/journal.js'
import { asJson, colored, type Output, printable, table } from '../output.js'
import { hintsFor } from './hints.js'
import { isMeant, shortId } from './pods.js'
import { type PodsOfDevices, type StatusOther, type StatusVf, statusDocument } from './status-document.js'

export interface LogsOptions {
  readonly json?: true
  readonly failed?: true
  /** Only entries after this moment, in milliseconds since 1970. */
  readonly sinceMs?: number
}

const podName = ({ pod }: Pick<JournalEntry, 'pod'>): string | undefined => pod && `${pod.namespace}/${pod.name}`

const HEADS = ['WHEN', 'VERB', 'MS', 'POD', 'INTERFACE', 'DEVICE', 'ANSWER']

function rowOf(entry: JournalEntry): string[] {
  const { at, verb, ms, containerId, ifName, device, error } = entry
  return [
    at.replace(/\.\d+Z$/, 'Z'),
    verb,
    String(ms),
    podName(entry) ?? (shortId(containerId) || '-'),
    ifName || '-',
    device ?? '-',
    error ? `code ${error.code}: ${error.message}` : 'done',
  ]
}

const isWanted = ({ at, error }: JournalEntry, { failed, sinceMs }: LogsOptions): boolean =>
  (!failed || error !== undefined) && (sinceMs === undefined || Date.parse(at) >= sinceMs)

/** Prints the journal, oldest first. @throws PluginError */
export function logs({ files }: CallHost, out: Output, options: LogsOptions): number {
  const entries = journalEntries(files).filter((entry) => isWanted(entry, options))
  if (options.json) {
    out.write(asJson(entries))
  } else {
    out.write(entries.length === 0 ? 'the journal has no such call\n' : table(HEADS, entries.map(rowOf)))
  }
  return 0
}

const FOLLOW_PAUSE_MS = 500

/** Prints what the journal has, then what comes; does not return. @throws PluginError */
export async function followLogs(host: CallHost, out: Output, options: LogsOptions): Promise<never> {
  let seen = 0
  for (;;) {
    const entries = journalEntries(host.files)
    // The older file was replaced: what is new begins somewhere in the middle.
    const fresh = entries.slice(seen > entries.length ? 0 : seen)
    seen = entries.length
    for (const entry of fresh.filter((one) => isWanted(one, options))) {
      const line = options.json ? JSON.stringify(entry) : rowOf(entry).join('  ')
      out.write(`${printable(line)}\n`)
    }
    await host.clock.sleep(FOLLOW_PAUSE_MS)
  }
}

/** The most calls that a story tells: a pod that kubelet tries to start again and again has one each few seconds. */
const MAX_TOLD = 20

function holds(device: StatusVf | StatusOther): string {
  const { address, state, problem } = device
  const place = 'pf' in device ? ` (VF ${device.index} of ${device.pf})` : ''
  return `${address}${place}: ${state}${problem === null ? '' : `, ${printable(problem)}`}\n`
}

/** The verbs that a runtime calls for one pod. */
const OF_PODS: ReadonlySet<string> = new Set(['ADD', 'DEL', 'CHECK'])

/**
 * The call that says how it stands. After an ADD that failed a runtime calls DEL, which usually succeeds: the ADD is the one
 * that counts then.
 */
function decisiveOf(all: readonly JournalEntry[]): JournalEntry | undefined {
  // What was given back afterwards says nothing of a call that was refused.
  const calls = all.filter(({ verb }) => OF_PODS.has(verb))
  const entries = calls.length > 0 ? calls : all
  const last = entries.at(-1)
  const before = entries.findLast(({ verb }) => verb !== 'DEL')
  const isItsEnd = before?.verb === 'ADD' && before.error !== undefined && before.containerId === last?.containerId
  return last?.verb === 'DEL' && !last.error && isItsEnd ? before : last
}

function storyOf(
  out: Output,
  wanted: string,
  entries: readonly JournalEntry[],
  devices: readonly (StatusVf | StatusOther)[],
): string {
  const last = decisiveOf(entries)
  const failed = last?.error
  const told = entries.slice(-MAX_TOLD)
  const sentence =
    last === undefined
      ? `the journal has no call for ${printable(wanted)}`
      : failed
        ? colored(
            out,
            'red',
            `the last ${last.verb} for ${printable(wanted)} was refused: ${printable(failed.message)}`,
          ) + (last === entries.at(-1) ? '' : ' (the DEL after it succeeded)')
        : `the last ${last.verb} for ${printable(wanted)} succeeded`
  const hints = hintsFor(failed?.message ?? '', failed?.code)
  const skipped = entries.length - told.length
  return [
    `${sentence}\n`,
    ...hints.map((hint) => `  ${hint}\n`),
    ...(told.length === 0 ? [] : ['\nCalls\n', ...(skipped > 0 ? [`(${skipped} older ones left out)\n`] : [])]),
    ...(told.length === 0 ? [] : [table(HEADS, told.map(rowOf))]),
    '\nNow\n',
    ...(devices.length === 0 ? ['no device is recorded for it\n'] : devices.map(holds)),
  ].join('')
}

/**
 * Tells the story of a pod: the calls that were made for it, what refused the last one, and what it holds now. Returns
 * the exit code: 1 when its last call failed, or nothing is known of it. @throws PluginError
 */
export async function why(
  host: CallHost,
  out: Output,
  wanted: string,
  { json, pods }: { readonly json?: true; readonly pods?: () => Promise<PodsOfDevices> },
): Promise<number> {
  const entries = journalEntries(host.files).filter((entry) => isMeant(wanted, entry))
  const { vfs, others } = statusDocument(await survey(host), await pods?.())
  const isOwn = ({ pod }: StatusVf | StatusOther) =>
    pod !== null && isMeant(wanted, { pod, containerId: pod.containerId })
  const own = { vfs: vfs.filter(isOwn), others: others.filter(isOwn) }
  const devices = [...own.vfs, ...own.others]
  const failed = decisiveOf(entries)?.error
  const hints = hintsFor(failed?.message ?? '', failed?.code)
  out.write(json ? asJson({ calls: entries, hints, ...own }) : storyOf(out, wanted, entries, devices))
  if (!json && entries.length === 0) {
    out.write(
      `\nKubelet may not have called this plugin at all. Look at the events of the pod (kubectl describe pod), and pass one\nof their sentences to sriovctl why --message.\n`,
    )
  }
  return failed || (entries.length === 0 && devices.length === 0) ? 1 : 0
}

/** Maps a sentence of kubelet or Multus to its cause. Returns the exit code: 1 when it is not known. */
export function whyMessage(out: Output, message: string, { json }: { readonly json?: true }): number {
  const hints = hintsFor(message)
  out.write(
    json ? asJson({ hints }) : hints.length === 0 ? 'this sentence is not known here\n' : `${hints.join('\n')}\n`,
  )
  return hints.length === 0 ? 1 : 0
}
