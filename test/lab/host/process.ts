import { spawn } from 'node:child_process'
import { PATIENCE_MS } from './patience.js'

/** How a process ended. */
export interface Output {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly durationMs: number
}

export interface StartOptions {
  /** The whole environment; without it, this process's. */
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  readonly cwd?: string
}

/** A process of its own process group. */
export interface Running {
  readonly pid: number
  readonly done: Promise<Output>
  /** What it has printed so far. */
  printed(): Pick<Output, 'stdout' | 'stderr'>
  /** SIGKILL to the process and to every child of it. */
  killGroup(): void
}

export function start(file: string, args: readonly string[], { env, stdin = '', cwd }: StartOptions = {}): Running {
  const startedAt = performance.now()
  const child = spawn(file, args, { env: env ?? process.env, ...(cwd !== undefined && { cwd }), detached: true })
  const pid = child.pid ?? 0
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A process that was killed, or that does not read, leaves a broken pipe.
  child.stdin.on('error', () => undefined).end(stdin)
  const done = new Promise<Output>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr, durationMs: performance.now() - startedAt }))
  })
  return {
    pid,
    done,
    printed: () => ({ stdout, stderr }),
    killGroup() {
      try {
        process.kill(-pid, 'SIGKILL')
      } catch {
        // It has ended already.
      }
    },
  }
}

export const run = (file: string, args: readonly string[], options?: StartOptions): Promise<Output> =>
  start(file, args, options).done

/** Runs a command that must succeed, and returns what it printed. */
export async function must(file: string, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run(file, args)
  if (exitCode !== 0) {
    throw new Error(`${[file, ...args].join(' ')}: exit status ${exitCode}\n${stderr}${stdout}`)
  }
  return stdout
}

/** `must` for ip(8), its arguments in one text. */
export const ip = (args: string): Promise<string> => must('ip', ...args.split(' '))

/** Runs a shell script that must succeed. */
export const shell = (script: string): Promise<string> => must('/bin/bash', '-euc', script)

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until something holds. */
export async function until(what: string, holds: () => Promise<boolean>, timeoutMs = PATIENCE_MS): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > deadline) {
      throw new Error(`${what}: not within ${timeoutMs} ms`)
    }
    await sleep(100)
  }
}
