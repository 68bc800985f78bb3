import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'
import { type Output, start, until } from '../host/process.js'
import { HOOK_VARIABLES } from './hook-variables.js'
import { type Point, pointsOf } from './hooked-call.js'

const HOOK = 'dist/tools/kill-hook.cjs'
const BUNDLE = 'dist/resident.cjs'
const SOCKET = '/run/hooked-daemon.sock'
const ARMED = '/run/hooked-daemon.armed'
const RECORDING = '/run/hooked-daemon.txt'

/** The disk takes longer than the kernel for a move (60 ms in the lab), so that nothing is on it before the change. */
const SLOW_DISK_MS = '500'

/** Lets the launcher hand its call to the hooked process. */
export const TO_HOOKED_DAEMON = { SRIOV_CNI_SOCKET: SOCKET }

/** Runs one call against a resident process that carries kill-hook.ts. Returns how both ended. */
async function withHookedDaemon(
  hook: Readonly<Record<string, string>>,
  work: () => Promise<Output>,
): Promise<{ readonly call: Output; readonly daemon: Output }> {
  rmSync(ARMED, { force: true })
  const node = ['--jitless', '--no-expose-wasm', '--require', `./${HOOK}`, BUNDLE, 'daemon', '--socket', SOCKET]
  const daemon = start(process.execPath, node, {
    env: { ...hook, [HOOK_VARIABLES.armed]: ARMED, [HOOK_VARIABLES.slowSync]: SLOW_DISK_MS },
  })
  try {
    await until('the hooked resident process listens', async () => daemon.printed().stderr.includes('"ready"'))
    writeFileSync(ARMED, '')
    const call = await work()
    rmSync(ARMED, { force: true })
    daemon.killGroup()
    return { call, daemon: await daemon.done }
  } finally {
    daemon.killGroup()
  }
}

/** What the resident process does to the machine during a call that is left alone, in order. */
export async function recordDaemon(work: () => Promise<Output>): Promise<Point[]> {
  rmSync(RECORDING, { force: true })
  const { call, daemon } = await withHookedDaemon({ [HOOK_VARIABLES.record]: RECORDING }, work)
  if (call.exitCode !== 0 || !existsSync(RECORDING)) {
    throw new Error(`a call could not be recorded: ${call.stdout}${call.stderr}${daemon.stderr}`)
  }
  return pointsOf(readFileSync(RECORDING, 'utf8').trim().split('\n'))
}

/**
 * Kills the resident process at a point of a call; `lastWords` is a shell command that it runs there first. The launcher
 * then carries the call out itself: returns its answer.
 */
export async function killDaemonAt({ at, when }: Point, work: () => Promise<Output>, lastWords = ''): Promise<Output> {
  const { call, daemon } = await withHookedDaemon(
    { [HOOK_VARIABLES.kill]: `${when} ${at}`, [HOOK_VARIABLES.lastWords]: lastWords },
    work,
  )
  expect(call.exitCode, `${call.stdout}${call.stderr}\n${daemon.stderr}`).toBe(0)
  return call
}
