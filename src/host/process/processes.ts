import { closeSync, writeSync } from 'node:fs'
import { errnoOf, PluginError } from '../../errors.js'
import { type Addon, orThrow } from '../addon.js'
import { errnoName } from '../errno.js'
import type { ProcessPort } from '../ports.js'

/** Added to the signal's number for the exit code of a killed program, as in shells. */
const SIGNAL_BASE = 128

const NOTHING = Buffer.alloc(0)

/** FD_NONE of native/mechanisms.h. */
const NO_FD = -1

/** Converts a waitpid(2) status to an exit code. */
function exitCode(waitStatus: number): number {
  const signal = waitStatus & 0x7f
  return signal === 0 ? (waitStatus >> 8) & 0xff : SIGNAL_BASE + signal
}

/** enum child_flags of native/mechanisms.h. */
const FLAGS = { keepsStderr: 1, isHeldBack: 2 } as const

/** Waits for a process. Returns its waitpid(2) status, or a negative errno: -ETIMEDOUT while it still runs. */
export type WaitForChild = (pid: number, timeoutMs: number) => number | Promise<number>

async function waitOrKill(wait: WaitForChild, pid: number, timeoutMs: number): Promise<number> {
  const status = await wait(pid, timeoutMs)
  if (status >= 0 || errnoName(-status) !== 'ETIMEDOUT') {
    return orThrow(status, 'wait for', `process ${pid}`)
  }
  process.kill(pid, 'SIGKILL')
  return orThrow(await wait(pid, timeoutMs), 'wait for', `process ${pid}`)
}

/** Reads from its beginning the memfd that the child wrote to. */
function readAndClose(addon: Addon, fd: number): string {
  try {
    const path = `/proc/self/fd/${fd}`
    const text = addon.readText(path)
    return typeof text === 'string' ? text : String(orThrow(text, 'read', path))
  } finally {
    closeSync(fd)
  }
}

/** Writes the input, then closes the pipe. EPIPE is no error: the exit status says why the program has ended. */
function writeAndClose(fd: number, input: Buffer): void {
  try {
    writeSync(fd, input)
  } catch (error) {
    if (errnoOf(error) !== 'EPIPE') {
      throw error
    }
  } finally {
    closeSync(fd)
  }
}

/** Starts programs with posix_spawn in the addon: Node's child_process costs several milliseconds. */
export function realProcesses(addon: Addon, waitForChild: WaitForChild = addon.waitChild): ProcessPort {
  return {
    start({ path, args = [], environment, stdin = '', held, keepsStderr = false, isHeldBack = false }) {
      const variables = Object.entries(environment).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${value}`],
      )
      const input = Buffer.from(stdin)
      const flags = (keepsStderr ? FLAGS.keepsStderr : 0) | (isHeldBack ? FLAGS.isHeldBack : 0)
      const started = addon.startChild(path, [path, ...args], variables, input, held?.fd ?? NO_FD, flags)
      if (typeof started === 'number') {
        throw new PluginError({ kind: 'kernel', operation: 'start', target: path, code: errnoName(-started) })
      }
      const [pid, stdoutFd, stderrFd] = started
      let [, , , stdinFd] = started
      const give = (bytes: Buffer) => {
        const fd = stdinFd
        stdinFd = NO_FD
        if (fd !== NO_FD) {
          writeAndClose(fd, bytes)
        }
      }
      return {
        begin: () => give(input),
        async wait(timeoutMs) {
          // Close stdin: withheld input is never sent.
          give(NOTHING)
          let status: number
          try {
            status = await waitOrKill(waitForChild, pid, timeoutMs)
          } catch (error) {
            held?.leaveToChild()
            for (const fd of [stdoutFd, stderrFd].filter((one) => one !== NO_FD)) {
              closeSync(fd)
            }
            throw error
          }
          return {
            status: exitCode(status),
            stdout: readAndClose(addon, stdoutFd),
            stderr: stderrFd === NO_FD ? '' : readAndClose(addon, stderrFd),
          }
        },
      }
    },
  }
}
