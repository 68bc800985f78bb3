import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PluginError } from '../errors.js'
import { errnoName } from './errno.js'

/** Bytes as a text with a character for each: interface names may be no UTF-8. See netlink/name-bytes.ts. */
export type Octets = string

/** An opaque handle of the addon. */
export type Watcher = { readonly watcher: unique symbol }

/** The functions of native/glue.c and native/glue/. A negative number is a negative errno. */
export interface Addon {
  /** `groups` is the bit mask of the events that the socket receives. */
  openNetlinkSocket(netnsFd: number, protocol: number, groups: number): number
  /** Reads a waiting datagram into `buffer`: its length, 0 when it is not the kernel's. Longer ones are cut. */
  receiveEvent(fd: number, buffer: Buffer): number
  sendFrame(netnsFd: number, interfaceIndex: number, bytes: Buffer): number
  writeFileInNetns(netnsFd: number, path: string, bytes: Buffer): number
  /** -ENOTTY when the path is not a network namespace. */
  openNetns(path: string): [fd: number, device: string, inode: string] | number
  /** -ESTALE when the path is another file's by now. */
  tryLock(fd: number, path: string): number
  releaseLock(fd: number): number
  startChild(
    path: string,
    argv: readonly string[],
    environment: readonly string[],
    stdin: Buffer,
    keptFd: number,
    flags: number,
  ): [pid: number, stdoutFd: number, stderrFd: number, stdinFd: number] | number
  /** Returns a descriptor that becomes readable when the process ends. */
  openChild(pid: number): number
  waitChild(pid: number, timeoutMs: number): number
  exitNow(code: number): never
  /** On a thread: sends a datagram unless `bytes` is empty, then returns all its answers, concatenated. */
  exchangeRoute(fd: number, bytes: Buffer, timeoutMs: number): Promise<Buffer | number>
  /** The same, sent by a thread that is in a network namespace; -1 for our own. */
  exchangeWithin(netnsFd: number, fd: number, bytes: Buffer, timeoutMs: number): Promise<Buffer | number>
  /** Does what `exchangeRoute` does, on the calling thread. */
  exchangeRouteNow(fd: number, bytes: Buffer, timeoutMs: number): Buffer | number
  /** On a thread: the bus address that an interface's driver reports to ethtool. Any socket of its namespace serves. */
  busInfo(socketFd: number, interfaceName: Octets): Promise<string | number>
  readText(path: Octets): string | number
  readLink(path: Octets): Octets | number
  readFolder(path: Octets): Octets[] | number
  /** 0 when something is there, even a dangling link. */
  isThere(path: Octets): number
  /** Writes a whole new file; an existing one loses its name. */
  writeNew(path: string, bytes: Buffer): number
  /** On a thread: syncs files and folders to the disk. Returns an int32 for each: 0, or a negative errno. */
  syncPaths(paths: readonly string[]): Promise<Buffer>
  /** Does what `syncPaths` does, on the calling thread. */
  syncPathsNow(paths: readonly string[]): Buffer
  listenAt(path: string, backlog: number): number
  acceptPeer(fd: number): [fd: number, uid: number, pid: number] | number
  /** Reads into `buffer` from `offset` on. `passedFd` is negative when no descriptor came along. */
  receiveFrom(fd: number, buffer: Buffer, offset: number): [count: number, passedFd: number] | number
  sendTo(fd: number, bytes: Buffer, offset: number): number
  isHungUp(fd: number): number
  /** Sends one datagram to a unix socket. */
  notify(path: string, bytes: Buffer): number
  /** Calls back each time the descriptor is ready, until `unwatch`. */
  watch(fd: number, events: number, callback: () => void): Watcher | number
  unwatch(watcher: Watcher): void
}

const FILE_NAME = 'sriov_native.node'

let loaded: Addon | undefined

/** Loads the addon once per process: from an installed folder, or from node-gyp's output folder in a checkout. */
export function loadAddon(folder: string): Addon {
  if (!loaded) {
    const candidates = [folder, ...['..', '../..'].map((up) => join(folder, up, 'build/Release'))]
    const path = candidates.map((candidate) => join(candidate, FILE_NAME)).find((file) => existsSync(file))
    const module = { exports: {} }
    process.dlopen(module, path ?? join(folder, FILE_NAME))
    loaded = module.exports as Addon
  }
  return loaded
}

/** Returns the result, or throws the errno in it. @throws PluginError kind `kernel` */
export function orThrow(result: number, operation: string, target: string): number {
  if (result < 0) {
    throw new PluginError({ kind: 'kernel', operation, target, code: errnoName(-result) })
  }
  return result
}
