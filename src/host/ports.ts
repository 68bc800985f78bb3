/**
 * The edges of the plugin as interfaces: what it needs from the kernel, the file system, other programs and the clock.
 * The real implementations are next to this file; tests bring their own. Everything that could block returns a promise.
 */

import type { LogLevelName } from '../cni/log-levels.js'

/** A netlink socket. It stays in the network namespace where it was opened. */
export interface NetlinkSocket extends Disposable {
  /** Sends one datagram. The kernel may take its time to execute it. @throws PluginError kind `kernel` */
  send(bytes: Buffer): Promise<void>
  /** Receives the next datagram, whole. @throws PluginError kind `kernel`, ETIMEDOUT when none comes in time */
  receive(timeoutMs: number): Promise<Buffer>
}

/** An rtnetlink socket. */
export interface RouteSocket extends NetlinkSocket {
  /**
   * The bus address that an interface's driver reports to ethtool (ETHTOOL_GDRVINFO), unchanged; undefined when there
   * is no such interface, or its driver reports none. @throws PluginError kind `kernel`
   */
  busInfo(interfaceName: string): Promise<string | undefined>
}

/** The identity of a network namespace: device and inode of its nsfs file (namespaces(7)). */
export interface NetnsId {
  readonly device: string
  readonly inode: string
}

/** Whether two descriptors lead to one namespace. Both must be open, because the kernel reuses inode numbers. */
export const isSameNetns = (left: NetnsId, right: NetnsId): boolean =>
  left.device === right.device && left.inode === right.inode

/** An open network namespace. */
export interface Netns {
  readonly path: string
  readonly fd: number
  readonly id: NetnsId
}

/** A network namespace that whoever opened it closes. */
export type OpenedNetns = Netns & Disposable

export interface KernelPort {
  /** Whether requests run on threads. Nothing overlaps when they run on our own. */
  readonly hasThreads: boolean
  /**
   * Runs `work` while the kernel executes the request that is sent next. Without threads it runs at once, and its
   * exception is thrown at once.
   */
  duringRequest<T>(work: () => T | Promise<T>): Promise<T>
  /**
   * Opens the namespace behind a path.
   * @throws PluginError kind `netns`; its `code` says why nobody can tell what is there
   */
  openNetns(path: string): OpenedNetns
  /** Our own namespace, which stays open. */
  ownNetns(): Netns
  /** Opens a route socket in a namespace, by default in our own. @throws PluginError kind `kernel` */
  openRouteSocket(netns?: Netns): RouteSocket
  /** Opens a socket of RDMA netlink in a namespace, by default in our own. @throws PluginError kind `kernel` */
  openRdmaSocket(netns?: Netns): NetlinkSocket
  /** Sends one Ethernet frame out of an interface. @throws PluginError kind `kernel` */
  sendFrame(netns: Netns, interfaceIndex: number, frame: Buffer): void
  /** Writes a setting below /proc/sys/net, as that namespace sees it. @throws PluginError kind `kernel` */
  writeNetSysctl(netns: Netns, path: string, value: string): void
}

/** A held flock(2). It ends when it is disposed of, or once this process and a child that also holds it have ended. */
export interface Lock extends Disposable {
  readonly fd: number
  /** Leaves the lock to a child that holds it, too, and may still run when this is disposed of. */
  leaveToChild(): void
}

/** What inode(7) says of a path itself: a symbolic link is not followed. */
export interface FileFacts {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  readonly uid: number
  /** Whether it belongs to root, or to the user that we are. */
  readonly isOwn: boolean
  /** The permission bits. */
  readonly mode: number
  /** When its content was last changed, in milliseconds since 1970. */
  readonly changedMs: number
}

/** Up to what size a file may grow, and which name it gets then. */
export interface AppendLimits {
  readonly maxBytes: number
  readonly fullTo: string
}

/** A file that is in its place: a kill of this process leaves it whole. */
export interface Written {
  /** Resolves once a power cut leaves it whole, too. @throws PluginError kind `state` */
  readonly onDisk: Promise<void>
}

/** A new text for a file, on the disk beside it. It is removed when this is disposed of before it was placed. */
export interface Prepared extends Disposable {
  /** Puts it into its place, atomically. It is there for sure when the promise resolves. @throws PluginError kind `state` */
  place(): Promise<void>
}

/**
 * Files by absolute path. Absence is undefined or an empty list. A failed read or change throws a PluginError of kind
 * `state` that names the path.
 */
export interface FilePort {
  readText(path: string): string | undefined
  /** The target of a symbolic link, as written. */
  readLink(path: string): string | undefined
  /** The names in a folder, sorted. */
  list(folder: string): readonly string[]
  /** The names in a folder that may have millions, a part at a time. What comes or goes meanwhile may be among them. */
  names(folder: string): Iterable<string>
  exists(path: string): boolean
  factsOf(path: string): FileFacts | undefined
  makeFolder(path: string): void
  /** Replaces a file atomically: temporary file, rename. Survives a kill of this process, not a power cut. */
  write(path: string, text: string): void
  /**
   * Replaces `twin`, then a file in the same folder, with the same text, each atomically, once the text is synced. After
   * a power cut each is the old one or the new one, never half.
   */
  writeWhole(path: string, text: string, twin: string): Promise<void>
  /** Replaces a file atomically. It is on the disk when the promise resolves: fsync of the file and of its folder. */
  writeDurably(path: string, text: string): Promise<void>
  /** Resolves once a file and its folder are on the disk. @throws PluginError kind `state`, also when it is gone */
  sync(path: string): Promise<void>
  /** The first half of writeDurably(): everything that takes long. The file is as it was. */
  prepare(path: string, text: string): Promise<Prepared>
  /**
   * Creates a file that must not exist yet, whole; undefined when it exists. Of two callers, one wins. Then writes the
   * same text to `twin`, in the same folder, over any existing file. A power cut before they are on the disk can leave
   * them empty.
   */
  createDurably(path: string, text: string, twin?: string): Written | undefined
  /**
   * Writes to a sysfs attribute in one write(2). This takes as long as the driver takes.
   * @throws PluginError kind `kernel` with the driver's errno; ETIMEDOUT after `timeoutMs`, 60 s
   */
  writeAttribute(path: string, text: string, timeoutMs?: number): Promise<void>
  /** Appends to a file and creates it when missing, both without a sync. A file that is full gets its other name. */
  append(path: string, text: string, limits: AppendLimits): void
  remove(path: string): void
  /** Removes the temporary files that killed writers left in a folder. */
  removeLitter(folder: string): void
  /** Renames a file within its folder. */
  rename(from: string, to: string): void
  isWritable(folder: string): boolean
  /** The room on the file system of a folder, in bytes, for whoever we are. */
  freeBytes(folder: string): number
  isExecutable(path: string): boolean
  /** Takes the lock of a file and creates the file when missing; undefined while somebody else holds the lock. */
  tryLock(path: string): Lock | undefined
}

/** How a program ended: its exit code (128 + signal when killed), stdout, and stderr if it was kept. */
export interface Exit {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A program to start. */
export interface Command {
  readonly path: string
  /** The arguments after the program's own name. */
  readonly args?: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin?: string
  /**
   * Whether stdin is withheld until Child.begin(), so that the program can prepare itself. Fails with ENOBUFS when
   * stdin is too large for that: more than 64 KiB.
   */
  readonly isHeldBack?: boolean
  /** A lock that is held until the program has ended, even if this process is killed. */
  readonly held?: Lock | undefined
  /** Whether stderr is kept for the Exit. Otherwise the program shares our stderr. */
  readonly keepsStderr?: boolean
}

/** A running program. */
export interface Child {
  /** Sends the withheld stdin. If this process ends first, even by a kill, the program gets no input. */
  begin(): void
  /** Waits for the end of the program; call it once. A program that runs longer is killed. */
  wait(timeoutMs: number): Promise<Exit>
}

export interface ProcessPort {
  /** Starts a program. @throws PluginError kind `kernel` */
  start(command: Command): Child
}

export interface ClockPort {
  /** Milliseconds since a fixed moment; never goes back. */
  nowMs(): number
  /** Milliseconds since 1970, UTC, by the clock of the machine, which somebody can set. */
  dateMs(): number
  sleep(ms: number): Promise<void>
}

/** The process that made this call. */
export interface CallerPort {
  /** Whether the caller is gone, so that nobody can be told how the call ended. */
  isGone(): boolean
}

/** Structured log lines: one sentence, plus facts. */
export type Log = Readonly<Record<LogLevelName, (message: string, facts?: Readonly<Record<string, unknown>>) => void>>

/** Everything that a command needs from the world. */
export interface Host {
  readonly kernel: KernelPort
  readonly files: FilePort
  readonly processes: ProcessPort
  readonly clock: ClockPort
  readonly caller: CallerPort
  readonly log: Log
}
