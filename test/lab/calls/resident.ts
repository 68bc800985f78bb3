import { existsSync } from 'node:fs'
import { afterAll, beforeAll } from 'vitest'
import { RESIDENT_SOCKET as SOCKET } from '../../../src/daemon/protocol.js'
import { type Running, start, until } from '../host/process.js'
import { BIN_DIR } from './plugin.js'

/** The resident process of the installed plugin, at its usual place. */
export interface Resident {
  readonly pid: number
  /** SIGTERM; resolves with what it logged when it has ended. */
  stop(): Promise<string>
  /** SIGKILL to it alone: programs that it has started go on. */
  kill(): Promise<void>
}

let running: Running | undefined

/** Starts it, and waits until it listens. `within`: words in front of its command line. */
export async function startResident(within: readonly string[] = []): Promise<Resident> {
  const before = existsSync(SOCKET)
  const [command = '', ...words] = [...within, `${BIN_DIR}/.sriov/sriovctl`, 'daemon', '--log-level', 'debug']
  const daemon = start(command, words)
  running = daemon
  let hasEnded = false
  void daemon.done.then(() => {
    hasEnded = true
  })
  // A socket that a killed one left is replaced.
  await until('the resident process listens', async () => {
    if (hasEnded) {
      throw new Error(`the resident process has ended: ${(await daemon.done).stderr}`)
    }
    return before ? isListening() : existsSync(SOCKET)
  })
  return {
    pid: daemon.pid,
    async stop() {
      process.kill(daemon.pid, 'SIGTERM')
      return (await daemon.done).stderr
    },
    async kill() {
      process.kill(daemon.pid, 'SIGKILL')
      await daemon.done
    },
  }
}

/** Whether anybody accepts connections at the socket (`ss` is not in the guest). */
async function isListening(): Promise<boolean> {
  const { createConnection } = await import('node:net')
  return new Promise((resolve) => {
    const socket = createConnection(SOCKET)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Ends one that a test has left. */
export async function stopResident(): Promise<void> {
  const left = running
  running = undefined
  left?.killGroup()
  await left?.done
}

/** Hands the calls of a file to a resident process, as those of most nodes are. Without it each is a process of its own. */
export function callsByResident(): void {
  beforeAll(async () => {
    await startResident()
  })
  afterAll(stopResident)
}
