import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { expect } from 'vitest'
import { encodeRequest, type Result } from '../../../src/daemon/protocol.js'
import { type Accepted, type Server, startServer } from '../../../src/daemon/server.js'
import { realClock } from '../../../src/host/clock.js'
import type { Log, NetnsId } from '../../../src/host/ports.js'
import { listenAt } from '../../../src/host/sockets/unix-sockets.js'
import { addon, kernel } from '../netns.js'
import { cniEnvironment, type Installation, install, type StartOptions, start } from './installation.js'

/** How long the server under test lets its peers take. */
export const PEER_TIMEOUT_MS = 400

export type Serve = (accepted: Accepted) => Promise<Result>

export const done = (stdout: string): Result => ({ exitCode: 0, stdout, stderr: '' })

/** A call that answers with its configuration. */
export const echo: Serve = async ({ request }) => done(request.stdin)

const ownNetns = (): NetnsId => kernel().ownNetns().id

/** What a launcher would send. */
export const request = (stdin: string): Buffer =>
  encodeRequest({ callerNetns: ownNetns(), environment: { CNI_COMMAND: 'ADD' }, stdin })

/** How long the server lets a connection be. */
export const untilClosed = (socket: Socket): Promise<number> =>
  new Promise((resolve) => {
    const began = performance.now()
    if (socket.destroyed) {
      resolve(0)
    }
    socket.resume()
    socket.once('close', () => resolve(performance.now() - began))
  })

/** How many descriptors this process has open. */
export const descriptors = (): number => readdirSync('/proc/self/fd').length

/** The server in this process, with a launcher that has nothing to fall back on. */
export class ServerUnderTest {
  readonly #installation: Installation
  readonly path: string
  /** What calls do. */
  serve: Serve = echo
  /** The log. */
  lines: string[] = []
  #server: Server | undefined

  private constructor(installation: Installation) {
    this.#installation = installation
    this.path = installation.socket
    chmodSync(installation.folder, 0o755)
    mkdirSync(dirname(this.path))
  }

  static async make(): Promise<ServerUnderTest> {
    return new ServerUnderTest(await install({ hasOneShot: false }))
  }

  start(): void {
    const note = (message: string, facts?: object) => void this.lines.push(`${message} ${JSON.stringify(facts ?? {})}`)
    const log: Log = { error: note, warning: note, info: note, debug: note }
    this.serve = echo
    this.lines = []
    this.#server = startServer({
      listener: listenAt(addon(), this.path),
      serve: (accepted) => this.serve(accepted),
      ownUid: 0,
      ownNetns: ownNetns(),
      clock: realClock,
      log,
      peerTimeoutMs: PEER_TIMEOUT_MS,
    })
  }

  /** How many calls have not ended by then. */
  async drain(timeoutMs: number): Promise<number> {
    const server = this.#server
    this.#server = undefined
    return server ? server.drain(timeoutMs) : 0
  }

  /** The end of a test: every call has ended. */
  async end(): Promise<void> {
    expect(await this.drain(5_000)).toBe(0)
  }

  remove(): void {
    this.#installation.remove()
  }

  /** A call by a real launcher. */
  launch(stdin: string, { within = [], netns = '' }: StartOptions & { readonly netns?: string } = {}) {
    const env = cniEnvironment('ADD', { SRIOV_CNI_SOCKET: this.path, CNI_NETNS: netns })
    return start(this.#installation.plugin, [], { env, stdin, within })
  }

  /** A raw connection that has sent some bytes. */
  client(...parts: Buffer[]): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.path, () => {
        for (const part of parts) {
          socket.write(part)
        }
        resolve(socket)
      })
      socket.once('error', reject)
      socket.on('error', () => undefined)
    })
  }

  /** A call that waits until it is told to end. */
  holdCalls(): { readonly isHeld: () => boolean; readonly release: () => void } {
    let release: (() => void) | undefined
    this.serve = async ({ request: { stdin } }) => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return done(stdin)
    }
    return { isHeld: () => release !== undefined, release: () => release?.() }
  }
}
