import { NODE_FOLDER } from '../cni/folders.js'
import { PluginError } from '../errors.js'
import type { FilePort, Host, Lock } from '../host/ports.js'
import { lockHolders, processesHolding } from '../node/lock-holders.js'
import type { PciAddress } from '../pci/address.js'
import type { CallHost } from './folder.js'

const LOCK_TIMEOUT_MS = 60_000
const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 50

const VF_LOCKS = `${NODE_FOLDER}/pci/vf_lock`
const PF_LOCKS = `${NODE_FOLDER}/pci/pf_lock`

const vfLockPath = (deviceId: PciAddress): string => `${VF_LOCKS}/${deviceId}.lock`

/** What it takes to wait for a lock. */
type Waiting = Pick<CallHost, 'files' | 'clock' | 'phases'>

/** A call that waits for a lock. */
interface Waiter {
  /** Lets it look at once. */
  wake(): void
}

/** The calls of this process that wait for a lock, by its path, in the order in which they came. */
const waiters = new Map<string, Set<Waiter>>()

async function asWaiter<T>(path: string, work: (waiter: Waiter) => Promise<T>): Promise<T> {
  const waiter: Waiter = { wake: () => undefined }
  const all = waiters.get(path) ?? new Set()
  waiters.set(path, all.add(waiter))
  try {
    return await work(waiter)
  } finally {
    all.delete(waiter)
    if (all.size === 0) {
      waiters.delete(path)
    }
  }
}

function wakeFirst(path: string): void {
  for (const { wake } of waiters.get(path) ?? []) {
    wake()
    return
  }
}

/** Takes a lock without waiting; undefined while somebody else has it. */
function tryToTake(files: FilePort, path: string): Lock | undefined {
  const lock = files.tryLock(path)
  return (
    lock && {
      fd: lock.fd,
      leaveToChild: () => lock.leaveToChild(),
      [Symbol.dispose]() {
        lock[Symbol.dispose]()
        wakeFirst(path)
      },
    }
  )
}

/** Pauses, unless this process gives the lock up meanwhile. Nobody tells when another process does. */
const pauseFor = ({ clock }: Waiting, waiter: Waiter, ms: number): Promise<void> =>
  new Promise((resolve, reject) => {
    waiter.wake = resolve
    clock.sleep(ms).then(resolve, reject)
  })

async function pollLock(host: Waiting, path: string, what: string, waiter: Waiter): Promise<Lock> {
  const { files, clock } = host
  const deadline = clock.nowMs() + LOCK_TIMEOUT_MS
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    const lock = tryToTake(files, path)
    if (lock) {
      return lock
    }
    if (clock.nowMs() >= deadline) {
      throw new PluginError({
        kind: 'tryAgain',
        message: `${what} has been locked for ${LOCK_TIMEOUT_MS / 1000} s by ${await lockHolders(host, path)}; try again`,
      })
    }
    await pauseFor(host, waiter, pause)
  }
}

async function awaitLock(host: Waiting, path: string, what: string): Promise<Lock> {
  host.files.makeFolder(path.slice(0, path.lastIndexOf('/')))
  return tryToTake(host.files, path) ?? (await asWaiter(path, (waiter) => pollLock(host, path, what, waiter)))
}

const take = (host: Waiting, path: string, what: string): Promise<Lock> =>
  host.phases.during('lock', () => awaitLock(host, path, what))

/**
 * Holds the lock of a VF while `work` runs. One call at a time touches a VF; calls of the Go sriov-cni take this lock,
 * too.
 * @throws PluginError kind `tryAgain` after 60 s, naming the process that has it
 */
export async function withVfLock<T>(host: Waiting, deviceId: PciAddress, work: (lock: Lock) => Promise<T>): Promise<T> {
  using lock = await take(host, vfLockPath(deviceId), `VF ${deviceId}`)
  return await work(lock)
}

/** Tells which processes are at work on a VF. */
export type FindWorkers = (deviceId: PciAddress) => Promise<readonly string[]>

/** The processes that are at work on some VFs, without a try to take their locks: one search of /proc, once it is needed. */
export function vfLockWorkers(host: Pick<Host, 'files' | 'clock'>, deviceIds: readonly PciAddress[]): FindWorkers {
  let search: ReturnType<typeof processesHolding> | undefined
  return async (deviceId) => {
    search ??= processesHolding(host, deviceIds.map(vfLockPath))
    return (await search).get(vfLockPath(deviceId)) ?? []
  }
}

/** Takes the lock of a VF without waiting; undefined while another call has it and works on the VF. */
export function tryVfLock({ files }: Host, deviceId: PciAddress): Lock | undefined {
  files.makeFolder(VF_LOCKS)
  return tryToTake(files, vfLockPath(deviceId))
}

/** Holds the lock of a VF while `work` runs. Does nothing when the lock is not free at once. */
export async function withFreeVfLock(
  host: Host,
  deviceId: PciAddress,
  work: (lock: Lock) => Promise<void>,
): Promise<void> {
  using lock = tryVfLock(host, deviceId)
  if (lock) {
    await work(lock)
  }
}

/**
 * Holds the lock of a PF while its driver is told something about one of its VFs: some drivers cannot take two such
 * requests at once. Never held while another program is waited for. Always taken after a VF's lock.
 * @throws PluginError kind `tryAgain` after 60 s, naming the process that has it
 */
export async function withPfLock<T>(host: Waiting, pfAddress: PciAddress, work: () => Promise<T>): Promise<T> {
  using _lock = await take(host, `${PF_LOCKS}/${pfAddress}.lock`, `PF ${pfAddress}`)
  return await work()
}

/** The locks of a node, all held. */
export interface NodeLocks extends Disposable {
  /** Removes their files. Whoever waits for one of them makes a new one. */
  removeFiles(): void
}

/**
 * Takes all locks of the node that there are, and those of some VFs, without waiting.
 * @throws PluginError kind `tryAgain` while a call is at work
 */
export async function takeNodeLocks(
  host: Pick<Host, 'files' | 'clock'>,
  vfs: readonly PciAddress[],
): Promise<NodeLocks> {
  const { files } = host
  const present = [VF_LOCKS, PF_LOCKS].flatMap((folder) => files.list(folder).map((name) => `${folder}/${name}`))
  const held = new Map<string, Lock>()
  const locks: NodeLocks = {
    removeFiles() {
      for (const path of held.keys()) {
        files.remove(path)
      }
    },
    [Symbol.dispose]() {
      for (const lock of held.values()) {
        lock[Symbol.dispose]()
      }
    },
  }
  try {
    if (vfs.length > 0) {
      files.makeFolder(VF_LOCKS)
    }
    for (const path of new Set([...present, ...vfs.map(vfLockPath)])) {
      const lock = tryToTake(files, path)
      if (!lock) {
        throw new PluginError({
          kind: 'tryAgain',
          message: `a call is at work: ${path} is held by ${await lockHolders(host, path)}`,
        })
      }
      held.set(path, lock)
    }
  } catch (error) {
    locks[Symbol.dispose]()
    throw error
  }
  return locks
}
