import { closeSync } from 'node:fs'
import { mayTakeLong } from '../netlink/message.js'
import type { Addon } from './addon.js'
import { realClock } from './clock.js'
import { errnoName } from './errno.js'
import { realFiles } from './files.js'
import { openNetns, realKernel } from './kernel.js'
import type { CallerPort, Host, KernelPort, Log, ProcessPort } from './ports.js'
import { realProcesses, type WaitForChild } from './processes.js'
import { openRouteSocket } from './route-socket.js'
import { untilReady } from './watch.js'

/** What the resident process knows about one call and its caller. */
export interface ResidentCall {
  readonly log: Log
  readonly caller: CallerPort
  /** The open namespace behind CNI_NETNS, as the caller sees it. */
  readonly netns?: { readonly path: string; readonly fd: number }
  writeStderr(text: string): void
  /** Whether no other call under way would have to wait for this one. */
  isAlone(): boolean
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
function residentKernel(addon: Addon, { netns, isAlone }: ResidentCall): KernelPort {
  return {
    ...realKernel(addon),
    // One turn of the event loop later, a thread has everything that was sent.
    duringRequest: (work) => new Promise((resolve) => setImmediate(resolve)).then(work),
    openNetns: (path) => openNetns(addon, path, netns?.path === path ? `/proc/self/fd/${netns.fd}` : path),
    openRouteSocket: (within) =>
      openRouteSocket(addon, (bytes) => bytes.length === 0 || mayTakeLong(bytes) || !isAlone(), within),
  }
}

/**
 * The edges of this machine, for one of several concurrent calls. Slow work does not block the others: netlink runs on
 * threads, programs and pauses run through the event loop. State files stay synchronous: they take milliseconds, and
 * their order matters.
 */
export const residentHost = (addon: Addon, call: ResidentCall): Host => ({
  kernel: residentKernel(addon, call),
  files: realFiles(addon),
  processes: residentProcesses(addon, call),
  clock: realClock,
  caller: call.caller,
  log: call.log,
})
