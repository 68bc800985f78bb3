import { openSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Addon } from '../../../src/host/addon.js'
import { watchLinks } from '../../../src/host/node-events.js'

const ENOBUFS = -105
const EAGAIN = -11

test('a watch goes on after the kernel has lost events: libuv stops at an error of the socket', () => {
  const callbacks: (() => void)[] = []
  let ended = 0
  const answers = [ENOBUFS, EAGAIN]
  const addon = {
    openNetlinkSocket: () => openSync('/dev/null', 'r'),
    receiveEvent: () => answers.shift() ?? EAGAIN,
    watch: (_fd: number, _events: number, callback: () => void) => {
      callbacks.push(callback)
      return { watcher: callbacks.length }
    },
    unwatch: () => {
      ended += 1
    },
  } as unknown as Addon
  const changed: number[] = []
  const links = watchLinks(addon, (index) => changed.push(index))
  callbacks[0]?.()
  expect([changed, callbacks.length, ended]).toEqual([[0], 2, 1])
  callbacks[1]?.()
  expect(changed).toEqual([0])
  links.stop()
  expect(ended).toBe(2)
})
