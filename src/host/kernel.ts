import { close, closeSync, fstatSync, openSync } from 'node:fs'
import { errnoOf, messageOf, PluginError } from '../errors.js'
import { type Addon, orThrow } from './addon.js'
import type { KernelPort, Netns } from './ports.js'
import { openRouteSocket } from './route-socket.js'

/** include/uapi/linux/sched.h */
const CLONE_NEWNET = 0x40000000

/** Errors of open(2) that say nothing about what is behind the path. */
const UNSURE = new Set(['EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'EACCES', 'EPERM'])

const OWN_NETNS_PATH = '/proc/thread-self/ns/net'

/**
 * Opens the namespace behind a path, or behind another file that stands for it.
 * @throws PluginError kind `netns` that names the path
 */
export function openNetns(addon: Addon, path: string, file = path): Netns {
  const refuse = (problem: string, errno = ''): never => {
    throw new PluginError({ kind: 'netns', path, problem, ...(UNSURE.has(errno) && { code: errno }) })
  }
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (error) {
    const errno = errnoOf(error)
    return refuse(errno === 'ENOENT' ? 'does not exist' : messageOf(error), errno)
  }
  if (addon.namespaceType(fd) !== CLONE_NEWNET) {
    closeSync(fd)
    return refuse('is not a network namespace')
  }
  const { dev, ino } = fstatSync(fd, { bigint: true })
  let isOpen = true
  return {
    path,
    fd,
    id: { device: String(dev), inode: String(ino) },
    close() {
      if (isOpen) {
        isOpen = false
        closeSync(fd)
      }
    },
  }
}

/** A process of one call has nobody that would have to wait. */
const noThread = () => false

/** The kernel of this machine, through the addon. */
export function realKernel(addon: Addon): KernelPort {
  return {
    openNetns: (path) => openNetns(addon, path),
    ownNetns: () => openNetns(addon, OWN_NETNS_PATH),
    openRouteSocket: (netns) => openRouteSocket(addon, noThread, netns),
    sendFrame(netns, interfaceIndex, frame) {
      const where = `interface ${interfaceIndex} in ${netns.path}`
      const fd = orThrow(addon.sendFrame(netns.fd, interfaceIndex, frame), 'send a frame', where)
      // On a thread: the kernel waits for all CPUs before a packet socket is gone.
      close(fd, () => undefined)
    },
    writeNetSysctl(netns, path, value) {
      orThrow(addon.writeFileInNetns(netns.fd, path, Buffer.from(value)), `write ${value} to ${path}`, netns.path)
    },
  }
}
