/**
 * The edges of the plugin as interfaces: what it asks of the kernel, the file system, other programs and the clock.
 * The real ones stand beside this file; the tests bring their own. Everything that could block returns a promise.
 */

import type { LogLevelName } from '../cni/log-levels.js'

/** An rtnetlink socket. It stays in the network namespace where it was opened. */
export interface RouteSocket {
  /** Sends one datagram, which the kernel may take its time to carry out. @throws PluginError kind `kernel` */
  send(bytes: Buffer): Promise<void>
  /** The next datagram, whole. @throws PluginError kind `kernel`, ETIMEDOUT when none comes in time */
  receive(timeoutMs: number): Promise<Buffer>
  /**
   * The bus address that the driver of an interface tells ethtool (ETHTOOL_GDRVINFO), as it stands there; undefined where
   * there is no such interface, or its driver tells none. @throws PluginError kind `kernel`
   */
  busInfo(interfaceName: string): Promise<string | undefined>
  close(): void
}

/** What tells network namespaces apart: device and inode of the nsfs file (namespaces(7)). */
export interface NetnsId {
  readonly device: string
  readonly inode: string
}

/** Whether two descriptors lead to one namespace. The kernel reuses inode numbers, so both must be open. */
export const isSameNetns = (left: NetnsId, right: NetnsId): boolean =>
  left.device === right.device && left.inode === right.inode

/** An open network namespace. */
export interface Netns {
  readonly path: string
  readonly fd: number
  readonly id: NetnsId
  close(): void
}

export interface KernelPort {
  /**
   * Does something while the kernel executes the request that is sent next. Where a request is executed on our own thread
   * nothing overlaps: the work is done at once then, and what it throws is thrown.
   */
  duringRequest<T>(work: () => T): Promise<T>
  /** Opens the namespace behind a path. @throws PluginError kind `netns`; its `code` says why nobody can tell what is there */
  openNetns(path: string): Netns
  /** Our own namespace. */
  ownNetns(): Netns
  /** A route socket in a namespace, or in our own. @throws PluginError kind `kernel` */
  openRouteSocket(netns?: Netns): RouteSocket
  /** Sends one Ethernet frame out of an interface. @throws PluginError kind `kernel` */
  sendFrame(netns: Netns, interfaceIndex: number, frame: Buffer): void
  /** Writes a setting below /proc/sys/net as that namespace sees it. @throws PluginError kind `kernel` */
  writeNetSysctl(netns: Netns, path: string, value: string): void
}

/** A held flock(2); releasing gives it up, and so does the end of this process and of a child that holds it too. */
export interface Lock {
  /** The descriptor that holds it. */
  readonly fd: number
  release(): void
}

/**
 * Files by absolute path. Absence is undefined or an empty list. What cannot be read or changed throws a PluginError of
 * kind `state` that names the path.
 */
export interface FilePort {
  readText(path: string): string | undefined
  /** Where a symbolic link points, as written. */
  readLink(path: string): string | undefined
  /** The names in a folder, in order. */
  list(folder: string): readonly string[]
  exists(path: string): boolean
  makeFolder(path: string): void
  /** Replaces a file at once: temporary file, rename. Survives a kill of this process, not a power cut. */
  write(path: string, text: string): void
  /**
   * The same, and after a power cut the file is the old one or the new one, never half: fsync of the file. `twin`, in
   * the same folder, is replaced after it with the same text.
   */
  writeWhole(path: string, text: string, twin: string): void
  /** The same, and on the disk when it returns: fsync of the file and of its folder. */
  writeDurably(path: string, text: string): void
  /**
   * Makes a file that must not exist yet, durably and whole; false when it exists. Of two callers one wins. `twin`, in
   * the same folder, is made after it with the same text, over what was there.
   */
  createDurably(path: string, text: string, twin?: string): boolean
  /**
   * Writes to an attribute of sysfs, in one write(2): it takes as long as the driver takes.
   * @throws PluginError kind `kernel` with the driver's errno; ETIMEDOUT after 60 s
   */
  writeAttribute(path: string, text: string): Promise<void>
  remove(path: string): void
  /** Removes the temporary files that killed writers left in a folder. */
  removeLitter(folder: string): void
  /** Renames a file within its folder. */
  rename(from: string, to: string): void
  isWritable(folder: string): boolean
  isExecutable(path: string): boolean
  /** Takes the lock of a file, which is made when missing; undefined while somebody else holds it. */
  tryLock(path: string): Lock | undefined
}

/** What a program left: its exit code (128 + signal when killed), stdout, and stderr where that was kept. */
export interface Exit {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A program to start. */
export interface Command {
  readonly path: string
  /** What stands behind the program's own name. */
  readonly args?: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin?: string
  /**
   * Whether stdin is kept back until Child.begin(): the program gets itself ready meanwhile. Refused with ENOBUFS where it
   * is too much for that, more than 64 KiB.
   */
  readonly isHeldBack?: boolean
  /** A lock that is held until the program has ended, even when this process is killed. */
  readonly held?: Lock | undefined
  /** Whether stderr is kept for its Exit; else it is ours. */
  readonly keepsStderr?: boolean
}

/** A running program. */
export interface Child {
  /** Gives it the stdin that was kept back. A process that ends before, killed even, leaves its program without any. */
  begin(): void
  /** Waits for its end, once; a program that runs longer is killed. */
  wait(timeoutMs: number): Promise<Exit>
}

export interface ProcessPort {
  /** Starts a program. @throws PluginError kind `kernel` */
  start(command: Command): Child
}

export interface ClockPort {
  /** Milliseconds since some fixed moment; never goes back. */
  nowMs(): number
  sleep(ms: number): Promise<void>
}

/** Whoever made this call. */
export interface CallerPort {
  /** Whether nobody is there any more to be told how the call ended. */
  isGone(): boolean
}

/** Structured log lines: one sentence, and facts. */
export type Log = Readonly<Record<LogLevelName, (message: string, facts?: Readonly<Record<string, unknown>>) => void>>

/** Everything a command needs of the world. */
export interface Host {
  readonly kernel: KernelPort
  readonly files: FilePort
  readonly processes: ProcessPort
  readonly clock: ClockPort
  readonly caller: CallerPort
  readonly log: Log
}
