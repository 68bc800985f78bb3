import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Host } from '../../src/host/ports.js'
import { openRouteSocket } from '../../src/host/route-socket.js'
import { openRtnl } from '../../src/rtnl/connection.js'
import { allLinks, changeLink, linkByName, requireLink } from '../../src/rtnl/link.js'
import { addon, hostOfKernel, ip, missingCapability, pairOf, TestNamespaces, within } from './netns.js'

const missing = missingCapability()
const namespaces = new TestNamespaces()
const PAIRS = 150
const always = () => true

const onThreads = (): Pick<Host, 'kernel' | 'clock' | 'log'> => {
  const host = hostOfKernel()
  return { ...host, kernel: { ...host.kernel, openRouteSocket: (netns) => openRouteSocket(addon(), always, netns) } }
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
      const [threaded, plain] = [openRtnl(onThreads(), netns), openRtnl(hostOfKernel(), netns)]
      const names = (await allLinks(threaded)).map(({ name }) => name)
      expect(names).toEqual((await allLinks(plain)).map(({ name }) => name))
      expect(names.length).toBeGreaterThanOrEqual(2 * PAIRS)
      threaded.close()
      plain.close()
    })
  })

  test('finds, changes and reports what is refused', async () => {
    const { a } = pairOf(namespaces)
    await within(a.path, async (netns) => {
      const rtnl = openRtnl(onThreads(), netns)
      const { index, mtu } = await requireLink(rtnl, 'left')
      expect(await linkByName(rtnl, 'none')).toBeUndefined()
      await changeLink(rtnl, index, { mtu: mtu - 100 }, { operation: 'set mtu', target: 'left' })
      expect((await requireLink(rtnl, 'left')).mtu).toBe(mtu - 100)
      await expect(changeLink(rtnl, index, { mtu: 1 }, { operation: 'set mtu 1', target: 'left' })).rejects.toThrow(
        'Cannot set mtu 1 on left: EINVAL',
      )
      rtnl.close()
    })
  })

  test('does not keep anything else waiting', async () => {
    const socket = openRouteSocket(addon(), always)
    let ticks = 0
    const timer = setInterval(() => {
      ticks += 1
    }, 5)
    await expect(socket.receive(200)).rejects.toThrow('ETIMEDOUT')
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(10)
    socket.close()
  })
})
