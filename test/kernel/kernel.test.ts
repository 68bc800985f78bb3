import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { PluginError } from '../../src/errors.js'
import { announcementFrame } from '../../src/netlink/announcement.js'
import { parseIp } from '../../src/netlink/ip.js'
import { openRtnl, type Rtnl } from '../../src/rtnl/connection.js'
import { pciDeviceOf } from '../../src/rtnl/device.js'
import { addAltNames, allLinks, changeLink, linkByIndex, linkByName, removeAltNames } from '../../src/rtnl/link.js'
import { hostOfKernel, ip, ipJson, kernel, missingCapability, pairOf, TestNamespaces, within } from './netns.js'

const missing = missingCapability()
const namespaces = new TestNamespaces()
const BLAME = { operation: 'change it', target: 'the interface' }

afterEach(() => namespaces.removeAll())

const conversing = <T>(path: string, work: (rtnl: Rtnl) => Promise<T>): Promise<T> =>
  within(path, async (netns) => {
    using rtnl = openRtnl(hostOfKernel(), netns)
    return await work(rtnl)
  })

describe.skipIf(missing)(`the real kernel (${missing ?? 'can run here'})`, () => {
  test('openNetns() tells namespaces apart', async () => {
    const [a, b] = [namespaces.add(), namespaces.add()]
    const idOf = (path: string) => within(path, ({ id }) => id)
    expect(await idOf(a.path)).toEqual(await idOf(a.path))
    expect(await idOf(a.path)).not.toEqual(await idOf(b.path))
    const own = kernel().ownNetns()
    expect(own.id).not.toEqual(await idOf(a.path))
  })

  test.each(['/etc/hostname', '/proc/self/ns/mnt', '/', '/run/netns/none', '/dev/null'])(
    'openNetns() refuses %s with kind netns',
    (path) => {
      expect(() => kernel().openNetns(path)).toThrow(PluginError)
      expect(() => kernel().openNetns(path)).toThrow(`network namespace ${path}: `)
    },
  )

  test('allLinks() lists the interfaces of its own namespace', async () => {
    const { a, b } = pairOf(namespaces)
    const names = (path: string) => conversing(path, async (rtnl) => (await allLinks(rtnl)).map(({ name }) => name))
    expect((await names(a.path)).sort()).toEqual(['left', 'lo'])
    expect((await names(b.path)).sort()).toEqual(['lo', 'right'])
  })

  test('pciDeviceOf() is undefined for virtual interfaces', async () => {
    const { a } = pairOf(namespaces)
    await conversing(a.path, async (rtnl) => {
      for (const link of await allLinks(rtnl)) {
        expect(await pciDeviceOf(rtnl, link)).toBeUndefined()
      }
      expect(await rtnl.busInfo('none')).toBeUndefined()
      expect(await rtnl.busInfo('left')).toBeUndefined()
    })
  })

  test('allLinks() reads hundreds of interfaces', async () => {
    const a = namespaces.add()
    const commands = Array.from({ length: 150 }, (_, i) => `link add d${i} type veth peer name e${i}`).join('\n')
    const batch = join(tmpdir(), `sriovt-${process.pid}-batch`)
    writeFileSync(batch, `${commands}\n`)
    ip('-n', a.name, '-batch', batch)
    rmSync(batch)
    expect(await conversing(a.path, async (rtnl) => (await allLinks(rtnl)).length)).toBe(301)
  })

  test('linkByName() finds names and alternative names, and is undefined for none', async () => {
    const { a } = pairOf(namespaces)
    const long = 'an-alternative-name-of-some-length'
    await conversing(a.path, async (rtnl) => {
      const link = await linkByName(rtnl, 'left')
      const index = link?.index ?? 0
      await addAltNames(rtnl, index, [long, 'short'], 'left')
      expect((await linkByName(rtnl, long))?.index).toBe(index)
      expect((await linkByName(rtnl, 'short'))?.altNames.slice().sort()).toEqual([long, 'short'])
      await removeAltNames(rtnl, index, ['short'], 'left')
      expect((await linkByIndex(rtnl, index))?.altNames).toEqual([long])
      expect(await linkByName(rtnl, 'none')).toBeUndefined()
      expect(await linkByIndex(rtnl, 99_999)).toBeUndefined()
      await expect(addAltNames(rtnl, index, [long], 'left')).rejects.toMatchObject({ fault: { code: 'EEXIST' } })
    })
  })

  test('changeLink() moves, names and sizes an interface in one message', async () => {
    const { a } = pairOf(namespaces)
    const pod = namespaces.add()
    ip('-n', a.name, 'link', 'set', 'left', 'down')
    await within(pod.path, (into) =>
      conversing(a.path, async (rtnl) => {
        const { index = 0 } = (await linkByName(rtnl, 'left')) ?? {}
        const change = { netnsFd: into.fd, name: 'net1', mtu: 1400, mac: '02:00:00:00:00:77' }
        await changeLink(rtnl, index, change, BLAME)
        expect(await linkByName(rtnl, 'left')).toBeUndefined()
      }),
    )
    expect(ipJson('-n', pod.name, 'link', 'show', 'net1')).toMatchObject([
      { ifname: 'net1', mtu: 1400, address: '02:00:00:00:00:77', operstate: 'DOWN' },
    ])
  })

  test('changeLink() leaves an interface moved under its old name when the new one is taken', async () => {
    const { a } = pairOf(namespaces)
    const pod = namespaces.add()
    ip('-n', pod.name, 'link', 'add', 'net1', 'type', 'veth', 'peer', 'name', 'net2')
    await within(pod.path, (into) =>
      conversing(a.path, async (rtnl) => {
        const { index = 0 } = (await linkByName(rtnl, 'left')) ?? {}
        await expect(changeLink(rtnl, index, { netnsFd: into.fd, name: 'net1' }, BLAME)).rejects.toMatchObject({
          fault: { code: 'EEXIST' },
        })
      }),
    )
    const names = ipJson('-n', pod.name, 'link').map(({ ifname }) => ifname)
    expect(names).toEqual(expect.arrayContaining(['left', 'net1', 'net2']))
  })

  test('changeLink() changes only the flags that are named', async () => {
    const { a } = pairOf(namespaces)
    await conversing(a.path, async (rtnl) => {
      const { index = 0 } = (await linkByName(rtnl, 'left')) ?? {}
      await changeLink(rtnl, index, { isPromisc: true, isAllmulti: true }, BLAME)
      expect(await linkByIndex(rtnl, index)).toMatchObject({ isUp: true, isPromisc: true, isAllmulti: true })
      await changeLink(rtnl, index, { isUp: false, isPromisc: false }, BLAME)
      expect(await linkByIndex(rtnl, index)).toMatchObject({ isUp: false, isPromisc: false, isAllmulti: true })
    })
  })

  test('changeLink() reports the words of the kernel', async () => {
    const { a } = pairOf(namespaces)
    await conversing(a.path, async (rtnl) => {
      const { index = 0, maxMtu = 0 } = (await linkByName(rtnl, 'left')) ?? {}
      await expect(changeLink(rtnl, index, { mtu: maxMtu + 1 }, BLAME)).rejects.toThrow(
        'Cannot change it on the interface: EINVAL: mtu greater than device maximum',
      )
    })
  })

  test('writeNetSysctl() writes the setting of that namespace only', async () => {
    const [a, b] = [namespaces.add(), namespaces.add()]
    const path = '/proc/sys/net/ipv4/ip_forward'
    const own = readFileSync(path, 'utf8')
    const value = (name: string) => ip('netns', 'exec', name, 'cat', path).trim()
    const other = value(a.name) === '1' ? '0' : '1'
    const before = value(b.name)
    await within(a.path, (netns) => kernel().writeNetSysctl(netns, path, other))
    expect(value(a.name)).toBe(other)
    expect(value(b.name)).toBe(before)
    expect(readFileSync(path, 'utf8')).toBe(own)
    await within(a.path, (netns) => {
      expect(() => kernel().writeNetSysctl(netns, '/proc/sys/net/ipv4/conf/none/forwarding', '1')).toThrow('ENOENT')
    })
  })

  test('sendFrame() reaches the other end', async () => {
    const { a, b } = pairOf(namespaces)
    ip('-n', b.name, 'addr', 'add', '10.9.0.2/24', 'dev', 'right')
    ip('-n', b.name, 'neigh', 'add', '10.9.0.1', 'lladdr', '02:00:00:00:00:01', 'dev', 'right', 'nud', 'stale')
    const frame = announcementFrame('02:00:00:00:00:77', parseIp('10.9.0.1'))
    await conversing(a.path, async (rtnl) => {
      const { index = 0 } = (await linkByName(rtnl, 'left')) ?? {}
      await within(a.path, (netns) => kernel().sendFrame(netns, index, frame))
    })
    await expect
      .poll(() => ipJson('-n', b.name, 'neigh', 'show', '10.9.0.1'))
      .toMatchObject([{ lladdr: '02:00:00:00:00:77' }])
  })

  test('sendFrame() reports an interface that is not there', async () => {
    await within(namespaces.add().path, (netns) => {
      expect(() => kernel().sendFrame(netns, 99_999, Buffer.alloc(60))).toThrow('ENXIO')
    })
  })
})
