import { messageOf } from '../errors.js'
import { type ClockPort, isSameNetns, type Log, type NetnsId } from '../host/ports.js'
import { otherView } from '../host/process/other-view.js'
import type { Listener, PassedDescriptor, PeerSocket } from '../host/sockets/unix-sockets.js'
import type { Watch } from '../host/sockets/watch.js'
import { seesSameFiles } from './caller-view.js'
import { readFrame, sendFrame } from './connection.js'
import { ACKNOWLEDGEMENT, decodeRequest, encodeResult, type Request, type Result } from './protocol.js'
import { throttled } from './throttle.js'

/** A launcher sends its request and takes its answer within microseconds. */
const PEER_TIMEOUT_MS = 10_000

/** Limit on concurrent calls. Others wait in the backlog, where the launcher does not wait long. */
const MAX_CONNECTIONS = 256

/** Limit on the bytes of all requests under way. The worst take thirty times as much, parsed, of a small heap. */
const MAX_REQUESTS_BYTES = 2 * 1024 * 1024

/** Pause when descriptors run out: some calls may end meanwhile. */
const ACCEPT_PAUSE_MS = 100

/** An accepted request, and its caller. */
export interface Accepted {
  readonly request: Request
  readonly netnsFd?: number
  /** Whether the launcher is gone. */
  isGone(): boolean
}

/** What a server needs. */
export interface ServerOptions {
  readonly listener: Listener
  readonly serve: (accepted: Accepted) => Promise<Result>
  /** The calls of this user are accepted, and root's. */
  readonly ownUid: number
  /** Calls from another network namespace need a process there: interfaces are looked up where the caller is. */
  readonly ownNetns: NetnsId
  readonly clock: ClockPort
  readonly log: Log
  /** How long a peer may take to send its request, and again to take its answer; 10 s by default. */
  readonly peerTimeoutMs?: number
}

/** A running server. */
export interface Server {
  /** Takes no more calls and waits for those under way. Returns how many are left after `timeoutMs`. */
  drain(timeoutMs: number): Promise<number>
}

/** Starts to take calls from launchers and serves them concurrently. */
export function startServer(options: ServerOptions): Server {
  const { listener, serve, ownUid, ownNetns, clock, log, peerTimeoutMs: timeoutMs = PEER_TIMEOUT_MS } = options
  const warn = throttled(log.warning, clock)
  const inform = throttled(log.info, clock)
  let connections = 0
  let requestBytes = 0
  let isDraining = false
  let watching: Watch | undefined
  let onIdle: (() => void) | undefined
  const open = new Set<PeerSocket>()

  /** A call reports its own errors. An exception is a bug of this process, which a process of its own may not have. */
  async function serveOrReport(accepted: Accepted): Promise<Result> {
    try {
      return await serve(accepted)
    } catch (error) {
      log.error('a call was not carried out', { error: error instanceof Error ? error.stack : String(error) })
      throw error
    }
  }

  async function answer(socket: PeerSocket, request: Request, netnsFd?: number): Promise<void> {
    if (!isSameNetns(request.callerNetns, ownNetns)) {
      inform('a call from another network namespace was left to a process of its own', { peer: socket.pid })
      return
    }
    if (!seesSameFiles(otherView(socket.pid), request)) {
      inform('a call that sees other files was left to a process of its own', { peer: socket.pid })
      return
    }
    // Fails when the launcher has hung up: it then runs the call itself.
    if (isDraining || !(await sendFrame(socket, ACKNOWLEDGEMENT, { clock, timeoutMs }))) {
      return
    }
    const result = await serveOrReport({
      request,
      isGone: () => socket.isHungUp(),
      ...(netnsFd !== undefined && { netnsFd }),
    })
    if (!(await sendFrame(socket, encodeResult(result), { clock, timeoutMs }))) {
      warn('a caller did not take its answer', { peer: socket.pid })
    }
  }

  async function converse(socket: PeerSocket): Promise<void> {
    open.add(socket)
    const passed: PassedDescriptor[] = []
    let frameBytes = 0
    try {
      const read = await readFrame(socket, {
        clock,
        timeoutMs,
        hasRoom(bytes) {
          const hasRoom = requestBytes + bytes <= MAX_REQUESTS_BYTES
          frameBytes = hasRoom ? bytes : 0
          requestBytes += frameBytes
          return hasRoom
        },
        onDescriptor: (one) => passed.push(one),
      })
      if (read.kind === 'refused') {
        warn('a request was refused', { peer: socket.pid, problem: read.problem })
      } else {
        await answer(socket, decodeRequest(read.frame), passed[0]?.fd)
      }
    } catch (error) {
      inform('a connection failed', { peer: socket.pid, error: messageOf(error) })
    } finally {
      requestBytes -= frameBytes
      for (const one of passed) {
        one.close()
      }
      open.delete(socket)
      socket.close()
    }
  }

  function end(): void {
    connections -= 1
    if (connections === 0) {
      onIdle?.()
    }
    watchListener()
  }

  function pause(): void {
    watching?.stop()
    watching = undefined
  }

  /** One in each turn of the event loop: of many calls that come at once, the first then comes to its change first. */
  function acceptOne(): void {
    let socket: PeerSocket | undefined
    try {
      socket = listener.accept()
    } catch (error) {
      warn('cannot accept a connection', { error: messageOf(error) })
      pause()
      setTimeout(watchListener, ACCEPT_PAUSE_MS)
      return
    }
    if (!socket) {
      return
    }
    if (socket.uid !== 0 && socket.uid !== ownUid) {
      warn('a connection of another user was refused', { peer: socket.pid, uid: socket.uid })
      socket.close()
      return
    }
    connections += 1
    void converse(socket).finally(end)
    if (connections >= MAX_CONNECTIONS) {
      pause()
    }
  }

  function watchListener(): void {
    if (!isDraining && connections < MAX_CONNECTIONS) {
      watching ??= listener.watch(acceptOne)
    }
  }

  watchListener()
  return {
    async drain(timeoutMs) {
      isDraining = true
      pause()
      // This also removes the path, so that new launchers do without us at once.
      listener.close()
      if (connections > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs)
          onIdle = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      // A thread that a driver holds keeps all descriptors of a dead process open: its launchers would wait for it.
      for (const socket of open) {
        socket.close()
      }
      return connections
    },
  }
}
