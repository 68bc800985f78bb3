import { closeSync, renameSync, rmSync, statSync } from 'node:fs'
import { PluginError } from '../../errors.js'
import { type Addon, orThrow } from '../addon.js'
import { errnoName } from '../errno.js'
import { type Readiness, untilReady, type Watch, watch } from './watch.js'

/** The result of a read: the byte count, 0 at the end, and a descriptor that came along. The reader closes it. */
export interface Received {
  readonly count: number
  readonly passed?: PassedDescriptor
}

/** A descriptor that a peer has sent. */
export interface PassedDescriptor {
  readonly fd: number
  close(): void
}

/** The connection of one peer. No function of it blocks. */
export interface PeerSocket {
  /** The user that connected. */
  readonly uid: number
  /** 0 when the peer lives in a PID namespace that is not below ours. */
  readonly pid: number
  /** Reads into `buffer` from `offset` on; undefined when nothing is there yet. @throws PluginError kind `kernel` */
  receive(buffer: Buffer, offset: number): Received | undefined
  /** Writes what fits and returns its length. @throws PluginError kind `kernel` when the peer is gone */
  send(bytes: Buffer, offset: number): number
  /** Waits until the socket can be read or written; false when it cannot in time. */
  untilReady(readiness: Readiness, timeoutMs: number): Promise<boolean>
  /** Whether the peer has closed its end. */
  isHungUp(): boolean
  close(): void
}

/** A socket that accepts connections. */
export interface Listener {
  /**
   * Accepts the next connection; undefined when there is none.
   * @throws PluginError kind `kernel`, EMFILE for want of descriptors
   */
  accept(): PeerSocket | undefined
  /** Calls back each time a connection waits. */
  watch(onReady: () => void): Watch
  /** Whether the path still leads to this socket. */
  isInPlace(): boolean
  /** Removes the path, then closes the socket. The path stays if it leads to another socket by now. */
  close(): void
}

/** The number of connections that the kernel queues until they are accepted. It is capped at net.core.somaxconn. */
const BACKLOG = 1024

const isLater = (result: number): boolean => errnoName(-result) === 'EAGAIN'

function peerSocket(addon: Addon, [fd, uid, pid]: [number, number, number]): PeerSocket {
  let isOpen = true
  return {
    uid,
    pid,
    receive(buffer, offset) {
      const received = addon.receiveFrom(fd, buffer, offset)
      if (typeof received !== 'number') {
        const [count, passedFd] = received
        return { count, ...(passedFd >= 0 && { passed: { fd: passedFd, close: () => closeSync(passedFd) } }) }
      }
      return isLater(received) ? undefined : { count: orThrow(received, 'receive', `peer ${pid}`) }
    },
    send(bytes, offset) {
      if (!isOpen) {
        throw new PluginError({ kind: 'kernel', operation: 'send', target: `peer ${pid}`, code: 'EPIPE' })
      }
      const sent = addon.sendTo(fd, bytes, offset)
      return isLater(sent) ? 0 : orThrow(sent, 'send', `peer ${pid}`)
    },
    untilReady: (readiness, timeoutMs) => untilReady(addon, fd, readiness, timeoutMs),
    isHungUp: () => !isOpen || addon.isHungUp(fd) !== 0,
    close() {
      if (isOpen) {
        isOpen = false
        closeSync(fd)
      }
    },
  }
}

/**
 * Listens at a path and replaces what is there. The socket is made under a name of its own and renamed: if an answering
 * socket was at the path before, there is one at every moment.
 * @throws PluginError kind `kernel`
 */
export function listenAt(addon: Addon, path: string): Listener {
  const beside = `${path}.${process.pid}`
  // A killed process that had our PID may have left it; this happens in containers.
  rmSync(beside, { force: true })
  const fd = orThrow(addon.listenAt(beside, BACKLOG), 'listen', beside)
  renameSync(beside, path)
  const { dev, ino } = statSync(path)
  const isInPlace = () => {
    const found = statSync(path, { throwIfNoEntry: false })
    return found?.dev === dev && found.ino === ino
  }
  return {
    isInPlace,
    accept() {
      const accepted = addon.acceptPeer(fd)
      if (typeof accepted !== 'number') {
        return peerSocket(addon, accepted)
      }
      if (isLater(accepted)) {
        return undefined
      }
      throw new PluginError({ kind: 'kernel', operation: 'accept', target: path, code: errnoName(-accepted) })
    },
    watch: (onReady) => watch(addon, fd, 'readable', onReady),
    close() {
      if (isInPlace()) {
        rmSync(path, { force: true })
      }
      closeSync(fd)
    },
  }
}
