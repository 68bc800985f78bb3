import { closeSync } from 'node:fs'
import { mayTakeLong } from '../netlink/message.js'
import type { Addon } from './addon.js'
import { realClock } from './clock.js'
import { errnoName } from './errno.js'
import { groupCommit } from './files/group-commit.js'
import { realFiles } from './files/real-files.js'
import { openNetns, realKernel } from './kernel.js'
import type { CallerPort, Host, KernelPort, Log, ProcessPort } from './ports.js'
import { realProcesses, type WaitForChild } from './process/processes.js'
import { type Slots, slots } from './slots.js'
import { type Exchange, openRouteSocket } from './sockets/route-socket.js'
import { untilReady } from './sockets/watch.js'

/** What the resident process knows about one call and its caller. */
export interface ResidentCall {
  readonly log: Log
  readonly caller: CallerPort
  /** The open namespace behind CNI_NETNS, as the caller sees it. */
  readonly netns?: { readonly path: string; readonly fd: number }
  writeStderr(text: string): void
}

/**
 * The kernel carries out one change of an interface after the other (RTNL): one is at work, and some wait, so that RTNL is
 * never without. With more in that queue, the short requests of calls behind their move would wait for all the moves of
 * others.
 */
const CHANGES_AT_ONCE = 3

/** So many threads may wait with a short request behind a change. The others are for syncs, drivers and changes. */
const LOOKS_AT_ONCE = 16

/** What waits for a thread. */
interface Queues {
  readonly changes: Slots
  readonly looks: Slots
}

/** Poll interval where pidfd_open(2) is missing (Linux < 5.3). */
const LOOK_AGAIN_MS = 5

/** Waits for a child through the event loop, so that other calls continue. */
const waitByEventLoop =
  (addon: Addon): WaitForChild =>
  async (pid, timeoutMs) => {
    const ended = addon.waitChild(pid, 0)
    if (ended >= 0 || errnoName(-ended) !== 'ETIMEDOUT') {
      return ended
    }
    const fd = addon.openChild(pid)
    if (fd >= 0) {
      try {
        await untilReady(addon, fd, 'readable', timeoutMs)
      } finally {
        closeSync(fd)
      }
      return addon.waitChild(pid, 0)
    }
    const deadline = realClock.nowMs() + timeoutMs
    for (;;) {
      const status = addon.waitChild(pid, 0)
      if (status >= 0 || errnoName(-status) !== 'ETIMEDOUT' || realClock.nowMs() >= deadline) {
        return status
      }
      await realClock.sleep(LOOK_AGAIN_MS)
    }
  }

/** Starts programs and passes their stderr to the caller. Our own stderr is not the caller's. */
function residentProcesses(addon: Addon, { writeStderr }: ResidentCall): ProcessPort {
  const processes = realProcesses(addon, waitByEventLoop(addon))
  return {
    start(command) {
      const child = processes.start({ ...command, keepsStderr: true })
      return {
        begin: () => child.begin(),
        async wait(timeoutMs) {
          const exit = await child.wait(timeoutMs)
          if (command.keepsStderr) {
            return exit
          }
          writeStderr(exit.stderr)
          return { ...exit, stderr: '' }
        },
      }
    },
  }
}

/**
 * Opens the path of the caller's namespace through the descriptor that the caller sent. Here, the path of a
 * caller in a container may lead elsewhere, or nowhere.
 */
function residentKernel(addon: Addon, { netns }: ResidentCall, { changes, looks }: Queues): KernelPort {
  const exchange: Exchange = (fd, bytes, timeoutMs) => {
    if (mayTakeLong(bytes)) {
      return changes.run(() => addon.exchangeRoute(fd, bytes, timeoutMs))
    }
    // A trip to a thread takes longer than a short request, unless that waits for a change of ours.
    const isShort = bytes.length > 0 && changes.isIdle()
    return isShort
      ? addon.exchangeRouteNow(fd, bytes, timeoutMs)
      : looks.run(() => addon.exchangeRoute(fd, bytes, timeoutMs))
  }
  return {
    ...realKernel(addon),
    hasThreads: true,
    async duringRequest(work) {
      // One turn of the event loop later, a thread has everything that was sent, or it waits for its turn.
      await new Promise((resolve) => setImmediate(resolve))
      await changes.passed()
      return await work()
    },
    openNetns: (path) => openNetns(addon, path, netns?.path === path ? `/proc/self/fd/${netns.fd}` : path),
    openRouteSocket: (within) => openRouteSocket(addon, exchange, within),
  }
}

/** What stays as it is for as long as this process lives. */
const LASTING = new Set([
  '/proc/sys/kernel/osrelease',
  '/proc/sys/kernel/random/boot_id',
  '/proc/self/ns/mnt',
  '/proc/self/ns/pid',
])

/** A reader that reads what lasts once. */
function remembering(read: (path: string) => string | undefined): (path: string) => string | undefined {
  const known = new Map<string, string>()
  return (path) => {
    const text = known.get(path) ?? read(path)
    if (text !== undefined && LASTING.has(path)) {
      known.set(path, text)
    }
    return text
  }
}

/**
 * The edges of this machine for concurrent calls; the function returned makes those of one call. Slow work does not block
 * the others: netlink and syncs run on threads, programs and pauses through the event loop.
 */
export function residentHosts(addon: Addon): (call: ResidentCall) => Host {
  const disk = realFiles(addon, '', groupCommit(addon))
  const files = { ...disk, readText: remembering(disk.readText), readLink: remembering(disk.readLink) }
  const queues = { changes: slots(CHANGES_AT_ONCE), looks: slots(LOOKS_AT_ONCE) }
  return (call) => ({
    kernel: residentKernel(addon, call, queues),
    files,
    processes: residentProcesses(addon, call),
    clock: realClock,
    caller: call.caller,
    log: call.log,
  })
}
