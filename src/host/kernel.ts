import { close, closeSync } from 'node:fs'
import { PluginError } from '../errors.js'
import { type Addon, orThrow } from './addon.js'
import { errnoName } from './errno.js'
import type { KernelPort, Netns, OpenedNetns } from './ports.js'
import { openRdmaSocket, openRouteSocket } from './sockets/route-socket.js'

/** Errors of open(2) that do not tell what is behind the path. */
const UNSURE = new Set(['EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'EACCES', 'EPERM'])

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTTY: 'is not a network namespace',
}

const OWN_NETNS_PATH = '/proc/thread-self/ns/net'

/**
 * Opens the namespace at `path`. `file` is the file to open instead, when another one stands for the path.
 * @throws PluginError kind `netns` that names the path
 */
export function openNetns(addon: Addon, path: string, file = path): OpenedNetns {
  // The kernel would end the path at a NUL.
  const opened = file.includes('\0') ? 'ENOENT' : addon.openNetns(file)
  if (typeof opened !== 'object') {
    const errno = typeof opened === 'number' ? errnoName(-opened) : opened
    const problem = PROBLEMS[errno] ?? `cannot be opened: ${errno}`
    throw new PluginError({ kind: 'netns', path, problem, ...(UNSURE.has(errno) && { code: errno }) })
  }
  const [fd, device, inode] = opened
  let isOpen = true
  return {
    path,
    fd,
    id: { device, inode },
    [Symbol.dispose]() {
      if (isOpen) {
        isOpen = false
        closeSync(fd)
      }
    },
  }
}

let own: Netns | undefined

/** Our own namespace. It stays open, and stays the same, for the life of this process. */
function ownNetns(addon: Addon): Netns {
  own ??= openNetns(addon, OWN_NETNS_PATH)
  return own
}

/** The kernel of this machine, through the addon. */
export function realKernel(addon: Addon): KernelPort {
  return {
    hasThreads: false,
    duringRequest: (work) => Promise.resolve(work()),
    openNetns: (path) => openNetns(addon, path),
    ownNetns: () => ownNetns(addon),
    // A process that serves one call has no other caller that would have to wait.
    openRouteSocket: (netns) => openRouteSocket(addon, addon.exchangeRouteNow, netns),
    openRdmaSocket: (netns) => openRdmaSocket(addon, netns),
    sendFrame(netns, interfaceIndex, frame) {
      const where = `interface ${interfaceIndex} in ${netns.path}`
      const fd = orThrow(addon.sendFrame(netns.fd, interfaceIndex, frame), 'send a frame', where)
      // Close on a thread: the kernel waits for all CPUs before it removes a packet socket.
      close(fd, () => undefined)
    },
    writeNetSysctl(netns, path, value) {
      orThrow(addon.writeFileInNetns(netns.fd, path, Buffer.from(value)), `write ${value} to ${path}`, netns.path)
    },
  }
}
