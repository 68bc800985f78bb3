import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { expect } from 'vitest'
import { type CallOptions, type Conf, cniEnvironment, type Verb } from '../calls/plugin.js'
import type { Pod } from '../calls/pods.js'
import { HOOK_VARIABLES } from './hook-variables.js'

/** A moment in a call of the plugin: right before or after something it does to the machine. */
export interface Point {
  /** Its number among all that the call does; 0 is the first. */
  readonly at: number
  readonly when: 'before' | 'after'
  readonly what: string
  readonly isNearEnd: boolean
}

/** A call whose process carries kill-hook.ts. */
export interface HookedCall {
  readonly verb: Verb
  readonly pod: Pod
  readonly conf: Conf
  readonly options?: CallOptions
}

interface Ending {
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

const HOOK = 'dist/tools/kill-hook.cjs'
const BUNDLE = 'dist/main.cjs'
const RECORDING = '/run/kill-hook.txt'

/**
 * Runs the bundle, not the installed plugin: the launcher lets no hook in. Returns when the process is dead; what
 * it has started may still run.
 */
function runHooked({ verb, pod, conf, options }: HookedCall, hook: Readonly<Record<string, string>>): Promise<Ending> {
  const child = spawn(process.execPath, ['--jitless', '--no-expose-wasm', '--require', `./${HOOK}`, BUNDLE], {
    env: { ...cniEnvironment(verb, pod, options), ...hook },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => {
    stdout += text
  })
  child.stderr.on('data', (text) => {
    stderr += text
  })
  child.stdin.on('error', () => undefined).end(JSON.stringify(conf))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (exitCode, signal) => resolve({ exitCode, signal, stdout, stderr }))
  })
}

/** What a call that is left alone does to the machine, in order. It must succeed. */
export async function recordPrimitives(call: HookedCall): Promise<string[]> {
  rmSync(RECORDING, { force: true })
  const { exitCode, stdout, stderr } = await runHooked(call, { [HOOK_VARIABLES.record]: RECORDING })
  if (exitCode !== 0 || !existsSync(RECORDING)) {
    throw new Error(`${call.verb} could not be recorded: exit status ${exitCode}\n${stdout}${stderr}`)
  }
  return readFileSync(RECORDING, 'utf8').trim().split('\n')
}

/**
 * Before the first primitive, and after each. Before one is after the one before it: in between nothing is done to the
 * machine, by the definition of a primitive.
 */
export const pointsOf = (primitives: readonly string[]): Point[] =>
  primitives.flatMap((what, at) => {
    const isNearEnd = at >= primitives.length - VARIATION
    const after = { at, when: 'after' as const, what, isNearEnd }
    return at === 0 ? [{ ...after, when: 'before' as const }, after] : [after]
  })

/** By so many a call may do less than the one that was recorded: it did not have to wait for a driver. */
const VARIATION = 3

/**
 * Calls the plugin and kills it at a point; `lastWords` is a shell command that it runs there first. A point so late
 * that this call ended before it is as good as one behind its end.
 */
export async function killAt({ at, when, isNearEnd }: Point, call: HookedCall, lastWords = ''): Promise<void> {
  const { exitCode, signal, stdout, stderr } = await runHooked(call, {
    [HOOK_VARIABLES.kill]: `${when} ${at}`,
    [HOOK_VARIABLES.lastWords]: lastWords,
  })
  if (isNearEnd && exitCode === 0) {
    return
  }
  expect(signal, `${call.verb} was not killed: exit status ${exitCode}\n${stdout}${stderr}`).toBe('SIGKILL')
}
