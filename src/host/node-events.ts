/** Tells when something on this node may have changed. None of it polls. */

import { closeSync, type FSWatcher, watch as fsWatch, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { NETLINK_ROUTE } from '../netlink/constants.js'
import { isAboutDevices } from '../netlink/uevent.js'
import { type Addon, orThrow } from './addon.js'
import { errnoName } from './errno.js'
import { type Watch, watch } from './sockets/watch.js'

/** Protocols of netlink(7), and the groups that kernels broadcast to. */
/** RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR (include/uapi/linux/rtnetlink.h). */
const LINK_AND_ADDRESS_GROUPS = 0x1 | 0x10 | 0x100
const NETLINK_KOBJECT_UEVENT = 15
const UEVENT_GROUP = 1

/** Uevents have at most 2048 bytes of text and a path (UEVENT_BUFFER_SIZE). Of the others only the start is read. */
const EVENT_BYTES = 8192
/** Events of one wake-up: a storm must not keep the process from its other work. */
const MAX_EVENTS = 256
/** Where the index of the interface is, behind the netlink header: in struct ifinfomsg, and in struct ifaddrmsg. */
const LINK_INDEX_AT = 20

/** `onEvent` gets undefined when events were lost. @throws PluginError kind `kernel` */
function watchEvents(
  addon: Addon,
  protocol: number,
  groups: number,
  onEvent: (event: Buffer | undefined) => void,
): Watch {
  const fd = orThrow(addon.openNetlinkSocket(-1, protocol, groups), 'listen to events', `netlink protocol ${protocol}`)
  const buffer = Buffer.alloc(EVENT_BYTES)
  const read = () => {
    for (let i = 0; i < MAX_EVENTS; i += 1) {
      const length = addon.receiveEvent(fd, buffer)
      if (length > 0) {
        onEvent(buffer.subarray(0, length))
      } else if (length < 0) {
        if (errnoName(-length) === 'ENOBUFS') {
          // libuv stops at an error of the socket.
          ready.stop()
          ready = watch(addon, fd, 'readable', read)
          onEvent(undefined)
        }
        return
      }
    }
  }
  let ready = watch(addon, fd, 'readable', read)
  return {
    stop() {
      ready.stop()
      closeSync(fd)
    },
  }
}

/**
 * Calls back when a PCI function comes, goes, gets another driver, or something below it does: its interface, its vfio or
 * RDMA device. Interfaces are those of our own network namespace. @throws PluginError kind `kernel`
 */
export const watchDevices = (addon: Addon, onChange: () => void): Watch =>
  watchEvents(addon, NETLINK_KOBJECT_UEVENT, UEVENT_GROUP, (event) => {
    if (!event || isAboutDevices(event)) {
      onChange()
    }
  })

/**
 * Calls back when an interface of our namespace changes, or its addresses, with its index; with 0 when it may be any.
 * @throws PluginError kind `kernel`
 */
export const watchLinks = (addon: Addon, onChange: (interfaceIndex: number) => void): Watch =>
  watchEvents(addon, NETLINK_ROUTE, LINK_AND_ADDRESS_GROUPS, (event) => {
    onChange(event && event.length >= LINK_INDEX_AT + 4 ? event.readInt32LE(LINK_INDEX_AT) : 0)
  })

/** Tells one file or folder at a path from the next: nothing is there without it. */
export function fileIdentity(path: string): string | undefined {
  const facts = statSync(path, { throwIfNoEntry: false, bigint: true })
  return facts && `${facts.dev}:${facts.ino}:${facts.ctimeNs}`
}

/** The folder itself, or the nearest one above it that exists. */
function nearest(folder: string): string {
  let found = folder
  while (found !== '/' && !statSync(found, { throwIfNoEntry: false })?.isDirectory()) {
    found = dirname(found)
  }
  return found
}

/** How long to wait when a folder cannot be watched: there are too many watches (fs.inotify.max_user_watches). */
const RETRY_MS = 5_000

/** Calls back when something in a folder is made, written, renamed or removed. The folder need not exist yet. */
export function watchFolder(folder: string, onChange: () => void): Watch {
  let watcher: FSWatcher | undefined
  let isStopped = false
  // The kernel may give a new folder the inode of one that was just removed.
  const folderOf = (path: string) => {
    const facts = statSync(path, { throwIfNoEntry: false, bigint: true })
    return facts && `${facts.ino}:${facts.birthtimeNs}`
  }
  const begin = () => {
    if (isStopped) {
      return
    }
    const target = nearest(folder)
    const watched = folderOf(target)
    const again = (waitMs: number) => {
      watcher?.close()
      watcher = undefined
      setTimeout(() => {
        begin()
        // It may have changed while nobody watched.
        onChange()
      }, waitMs).unref()
    }
    try {
      watcher = fsWatch(target, () => {
        if (folderOf(target) !== watched || nearest(folder) !== target) {
          again(0)
        }
        onChange()
      })
      watcher.on('error', () => again(RETRY_MS))
    } catch {
      again(RETRY_MS)
      return
    }
    if (nearest(folder) !== target) {
      again(0)
    }
  }
  begin()
  return {
    stop() {
      isStopped = true
      watcher?.close()
    },
  }
}
