/** What the verbs of sriovctl share: how they are declared, and what they need of the process. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Resident } from '../daemon/probe.js'
import type { DaemonOptions } from '../daemon/run.js'
import { type Listen, parseListen } from '../host/sockets/listen.js'
import type { PoolOptions } from '../pool/options.js'
import type { Living } from '../sriov/survey/spare.js'
import type { CallHost } from '../state/folder.js'
import type { PodsOfDevices } from './look/status-document.js'
import type { Ask } from './mend/release.js'
import type { Output } from './output.js'
import type { Save } from './report/sysdump.js'

/** What the verbs need of the process. The machine is opened only by verbs that look at it. */
export interface Surroundings {
  readonly out: Output
  readonly ask: Ask
  readonly save: Save
  openHost(): CallHost
  askResident(): Promise<Resident>
  /** How the resident process reacts to a question, and nothing else about it. */
  probeResident(): Promise<Resident['reaction']>
  /** How the device plugin reacts to a question. */
  askDevicePlugin(): Promise<Resident['reaction']>
  /** Removes a file or a folder with what is in it. @throws Error of Node.js */
  removeTree(path: string): void
  removeIfEmpty(folder: string): void
  /** Which pods have which devices, by kubelet. Empty where there is none, or it does not answer. */
  askKubelet(kubeletFolder: string): Promise<PodsOfDevices>
  /** Who is alive, by kubelet and the container runtime. @throws Error when one is there and does not answer */
  askLiving(kubeletFolder: string): Promise<Living>
  runDaemon(options: DaemonOptions): Promise<number>
  runDevicePlugin(options: PoolOptions): Promise<number>
}

export interface Verbs {
  readonly surroundings: Surroundings
  /** Gets the exit code of the verb. */
  finish(exitCode: number): void
}

/** Adds verbs to the program. */
export type AddVerbs = (program: Command, verbs: Verbs) => void

export const jsonOption = (): Option => new Option('--json', 'print JSON')

/** The end of a verb's help. */
export const helpEnd = (examples: readonly string[], failure?: string): string =>
  [
    '\nExample:\n',
    ...examples.map((line) => `  ${line}\n`),
    failure === undefined ? '' : `\nExit code: 0, or 1 ${failure}; 2 for a command that is not understood.`,
  ].join('')

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }
const AGE = /^(\d+)([smhd])$/

/** `10m` in milliseconds. @throws InvalidArgumentError */
export function ageMs(text: string): number {
  const [, amount, unit = ''] = AGE.exec(text) ?? []
  if (amount === undefined) {
    throw new InvalidArgumentError('It is an age like 90s, 30m, 2h, 1d.')
  }
  return Number(amount) * (SECONDS[unit] ?? 0) * 1000
}

/** `30m` or an ISO 8601 time, as milliseconds since 1970. @throws InvalidArgumentError */
export function sinceMs(text: string, nowMs = Date.now()): number {
  const ms = AGE.test(text) ? nowMs - ageMs(text) : Date.parse(text)
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError('It is an age like 90s, 30m, 2h, 1d, or a time like 2026-01-31T12:00:00Z.')
  }
  return ms
}

/** @throws InvalidArgumentError */
export function listenAt(text: string): Listen {
  const listen = parseListen(text)
  if (!listen) {
    throw new InvalidArgumentError('It is an address with a port like 127.0.0.1:9808, or an absolute path.')
  }
  return listen
}

/** @throws InvalidArgumentError */
export function absolutePath(text: string): string {
  if (!text.startsWith('/')) {
    throw new InvalidArgumentError('It is an absolute path.')
  }
  return text
}
