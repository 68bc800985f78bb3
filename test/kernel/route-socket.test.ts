import { spawn } from 'node:child_process'
import { closeSync, readdirSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Host } from '../../src/host/ports.js'
import { type Exchange, openRouteSocket } from '../../src/host/sockets/route-socket.js'
import { NETLINK_ROUTE, NLM_F_DUMP, NLM_F_REQUEST, RTM_GETLINK, RTM_NEWLINK } from '../../src/netlink/constants.js'
import { encodeLinkMessage, linkOf } from '../../src/netlink/link.js'
import { decodeMessages, encodeMessages } from '../../src/netlink/message.js'
import { textOfName } from '../../src/netlink/name-bytes.js'
import { openRtnl } from '../../src/rtnl/connection.js'
import { allLinks, changeLink, linkByName, requireLink } from '../../src/rtnl/link.js'
import { addon, hostOfKernel, ip, missingCapability, pairOf, TestNamespaces, within } from './netns.js'

const missing = missingCapability()
const namespaces = new TestNamespaces()
const PAIRS = 150
const onThread: Exchange = (...request) => addon().exchangeRoute(...request)
const onOwn: Exchange = (...request) => addon().exchangeRouteNow(...request)

const onThreads = (): Pick<Host, 'kernel' | 'clock' | 'log'> => {
  const host = hostOfKernel()
  return { ...host, kernel: { ...host.kernel, openRouteSocket: (netns) => openRouteSocket(addon(), onThread, netns) } }
}

afterAll(() => namespaces.removeAll())

describe.skipIf(missing)(`openRouteSocket() on a thread (${missing ?? 'can run here'})`, () => {
  let crowded: { readonly name: string; readonly path: string }

  beforeAll(() => {
    crowded = namespaces.add()
    for (let i = 0; i < PAIRS; i += 1) {
      ip('-n', crowded.name, 'link', 'add', `left${i}`, 'type', 'veth', 'peer', 'name', `right${i}`)
    }
  })

  test('lists what takes many datagrams as the other socket does', async () => {
    await within(crowded.path, async (netns) => {
      using threaded = openRtnl(onThreads(), netns)
      using plain = openRtnl(hostOfKernel(), netns)
      const names = (await allLinks(threaded)).map(({ name }) => name)
      expect(names).toEqual((await allLinks(plain)).map(({ name }) => name))
      expect(names.length).toBeGreaterThanOrEqual(2 * PAIRS)
    })
  })

  test('finds an interface whose name is no UTF-8, and renames it', async () => {
    const { a } = pairOf(namespaces)
    await within(a.path, async (netns) => {
      using rtnl = openRtnl(onThreads(), netns)
      const { index } = await requireLink(rtnl, 'left')
      const name = textOfName(Buffer.from([0xff, 0xfe]))
      await changeLink(rtnl, index, { name }, { operation: 'rename it', target: 'left' })
      expect(await linkByName(rtnl, name)).toMatchObject({ index, name })
      expect((await allLinks(rtnl)).map((link) => link.name)).toContain(name)
      expect(await rtnl.busInfo(name)).toBeUndefined()
      await changeLink(rtnl, index, { name: 'left' }, { operation: 'rename it', target: name })
      expect(await requireLink(rtnl, 'left')).toMatchObject({ index })
    })
  })

  test('finds, changes and reports what is refused', async () => {
    const { a } = pairOf(namespaces)
    await within(a.path, async (netns) => {
      using rtnl = openRtnl(onThreads(), netns)
      const { index, mtu } = await requireLink(rtnl, 'left')
      expect(await linkByName(rtnl, 'none')).toBeUndefined()
      await changeLink(rtnl, index, { mtu: mtu - 100 }, { operation: 'set mtu', target: 'left' })
      expect((await requireLink(rtnl, 'left')).mtu).toBe(mtu - 100)
      await expect(changeLink(rtnl, index, { mtu: 1 }, { operation: 'set mtu 1', target: 'left' })).rejects.toThrow(
        'Cannot set mtu 1 on left: EINVAL',
      )
    })
  })

  test.each([
    ['on a thread', onThread],
    ['without one', onOwn],
  ])('waits for the kernel, %s, while another process floods its socket', async (_how, exchange) => {
    const { a } = pairOf(namespaces)
    await within(a.path, async (netns) => {
      const socket = openRouteSocket(addon(), exchange, netns)
      // Whoever may configure the namespace can send to any socket in it. Every number that the kernel may have given to
      // ours gets some.
      const script = `import os, socket, sys, time
fd = os.open(sys.argv[1], 0)
import ctypes
assert ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) == 0
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.setblocking(False)
# The kernel's own sockets have the number 0.
ports = [port for line in open('/proc/self/net/netlink').readlines()[1:] if (port := int(line.split()[2]))]
print('flooding', flush=True)
end = time.time() + 1
sent = 0
while time.time() < end:
    for port in ports:
        try:
            s.sendto(b'x' * 64, (port, 0))
            sent += 1
        except OSError: pass
print(sent, flush=True)`
      const flood = spawn('python3', ['-c', script, a.path], { stdio: ['ignore', 'pipe', 'inherit'] })
      const lines = createInterface(flood.stdout)[Symbol.asyncIterator]()
      await lines.next()
      let sent: number | undefined
      void lines.next().then(({ value }) => {
        sent = Number(value)
      })
      const { kernel, ...rest } = hostOfKernel()
      using rtnl = openRtnl({ ...rest, kernel: { ...kernel, openRouteSocket: () => socket } }, netns)
      // As long as the flood lasts, every question has its answer.
      let asked = 0
      while (sent === undefined) {
        const began = performance.now()
        await Promise.all(Array.from({ length: 20 }, () => linkByName(rtnl, 'left')))
        expect(performance.now() - began).toBeLessThan(10_000)
        asked += 1
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(asked).toBeGreaterThan(2)
      expect(sent).toBeGreaterThan(1_000)
    })
  })

  test('of RDMA netlink sends from within its namespace, and its threads are at home afterwards', async () => {
    const { a } = pairOf(namespaces)
    await within(a.path, async (netns) => {
      const fd = addon().openNetlinkSocket(netns.fd, NETLINK_ROUTE, 0)
      const payload = encodeLinkMessage({ family: 0, linkType: 0, index: 0, flags: 0, change: 0, attributes: [] })
      const flags = NLM_F_REQUEST | NLM_F_DUMP
      const request = encodeMessages([{ type: RTM_GETLINK, flags, sequence: 1, portId: 0, payload }])
      const answers = await Promise.all([1, 2].map(() => addon().exchangeWithin(netns.fd, fd, request, 1_000)))
      const names = answers.map((bytes) =>
        typeof bytes === 'number'
          ? bytes
          : decodeMessages(bytes).flatMap(({ type, payload: link }) => (type === RTM_NEWLINK ? linkOf(link).name : [])),
      )
      expect(names.flat()).toContain('left')
      expect(await addon().exchangeWithin(fd, fd, request, 1_000)).toBe(-constants.errno.EINVAL)
      const namespacesOf = readdirSync('/proc/self/task').map((task) => readlinkSync(`/proc/self/task/${task}/ns/net`))
      expect(new Set(namespacesOf).size).toBe(1)
      closeSync(fd)
    })
  })

  test('does not keep anything else waiting', async () => {
    using socket = openRouteSocket(addon(), onThread)
    let ticks = 0
    const timer = setInterval(() => {
      ticks += 1
    }, 5)
    await expect(socket.receive(200)).rejects.toThrow('ETIMEDOUT')
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(10)
  })
})
