import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openConf } from '../calls/choosing.js'
import { add, type Conf, DEFAULT_IFNAME, del, failing, hostLocal, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { removePolicy, setPolicy } from '../calls/policy.js'
import { callsByResident } from '../calls/resident.js'
import { driverOf } from '../host/drivers.js'
import { cidrsIn, link, linksIn, routesIn } from '../host/kernel-view.js'
import { ip, shell } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { OTHER_PF, PF, VFS, vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

afterEach(removePolicy)

/** The rules and the table of docs/policy.md, "Example: two tenants". */
const DOCUMENT = readFileSync('docs/policy.md', 'utf8').split('## Example: two tenants')[1] ?? ''
const RULES = JSON.parse(/```json\n([\s\S]*?)```/.exec(DOCUMENT)?.[1] ?? '')
const ROWS = [...DOCUMENT.matchAll(/^\| `("vlan".*)` \| (.+) \| (.+) \| (.+) \|$/gm)].map(([, keys, ...cells]) => ({
  keys: JSON.parse(`{${keys}}`) as Conf,
  cells,
}))

const asPodOf = (namespace: string) => ({ env: { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace}` } })

describe('two tenants', () => {
  test('are in the document', () => {
    expect(ROWS).toHaveLength(4)
  })

  const cases = ROWS.flatMap(({ keys, cells }) =>
    ['red', 'blue', 'green'].map((namespace, i) => ({ namespace, keys, cell: cells[i] ?? '' })),
  )
  test.each(cases)('$namespace with $keys: $cell', async ({ namespace, keys, cell }) => {
    setPolicy(RULES)
    const pod = await newPod()
    const conf = openConf({ master: PF, ...keys })
    const [, from, to] = /^allowed, VF (\d) to (\d)$/.exec(cell) ?? []
    if (from === undefined) {
      const { code, msg } = await failing('ADD', pod, conf, asPodOf(namespace))
      const key = cell.replace('refused: ', '')
      expect([code, msg]).toEqual([7, expect.stringContaining(key === 'no VF' ? 'is for this call' : `${key}: `)])
      expect(msg).toMatch(/policy\.json:\d+/)
      return
    }
    await add(pod, conf, asPodOf(namespace))
    const ofPod = keys.dpdk === undefined ? (await link(DEFAULT_IFNAME, pod)).parentdev : undefined
    const { index = -1 } = VFS.find((one) => one.pci === ofPod || driverOf(one) === 'vfio-pci') ?? {}
    expect(index).toBeGreaterThanOrEqual(Number(from))
    expect(index).toBeLessThanOrEqual(Number(to))
    await del(pod, conf, asPodOf(namespace))
  })
})

describe('an interface that the host uses is not given', () => {
  const { name } = vf(3)
  const USES: readonly (readonly [string, string, string, string])[] = [
    [
      'an address',
      `ip address add 192.0.2.7/24 dev ${name}`,
      `ip address flush dev ${name}`,
      'has the address 192.0.2.7',
    ],
    [
      'an IPv6 address',
      `ip link set ${name} up; ip address add 2001:db8::7/64 dev ${name} nodad`,
      `ip address flush dev ${name}; ip link set ${name} down`,
      'has the address 2001:db8:',
    ],
    [
      'a route',
      `ip link set ${name} up; ip route add 198.51.100.0/24 dev ${name}`,
      `ip route flush dev ${name}; ip link set ${name} down`,
      'has the route 198.51.100.0/24',
    ],
    [
      'a route in another table',
      `ip link set ${name} up; ip -6 route add 2001:db8:9::/48 dev ${name} table 77`,
      `ip -6 route flush dev ${name} table 77; ip link set ${name} down`,
      'has the route 2001:db8:9:',
    ],
    ['a VLAN above it', `ip link add link ${name} name above type vlan id 9`, 'ip link del above', 'is part of above'],
    [
      'a bridge above it',
      `ip link add br9 type bridge; ip link set ${name} master br9`,
      `ip link set ${name} nomaster; ip link del br9`,
      'is part of br9',
    ],
  ]

  test.each(USES)('%s', async (_what, begin, end, text) => {
    await shell(begin)
    const before = await host.differences()
    const named = await failing('ADD', await newPod(), netConf(vf(3)))
    expect([named.code, named.msg]).toEqual([7, expect.stringContaining(`${name} ${text}`)])
    const [pod, other] = [await newPod(), await newPod()]
    const conf = openConf({ selectors: { pfNames: [`${PF}#3-4`] } })
    await add(pod, conf)
    expect((await link(DEFAULT_IFNAME, pod)).parentdev).toBe(vf(4).pci)
    expect((await failing('ADD', other, conf)).msg).toContain(`${name} ${text}`)
    await del(pod, conf)
    expect(await host.differences()).toEqual(before)
    await shell(end)
  })

  test('up alone is no use, nor are link-local addresses', async () => {
    await ip(`link set ${name} up`)
    const pod = await newPod()
    await add(pod, netConf(vf(3)))
    await del(pod, netConf(vf(3)))
    await ip(`link set ${name} down`)
  })

  test('the PF with an address of the node', async () => {
    await shell(`ip address add 192.0.2.9/24 dev ${OTHER_PF}`)
    const { code, msg } = await failing('ADD', await newPod(), openConf({ master: OTHER_PF, pfOnly: true }))
    expect([code, msg]).toEqual([7, expect.stringContaining(`${OTHER_PF} has the address 192.0.2.9`)])
    expect((await linksIn(undefined)).some(({ ifname }) => ifname === OTHER_PF)).toBe(true)
    await shell(`ip address flush dev ${OTHER_PF}`)
  })
})

describe('with hostInterfaces', () => {
  const { name } = vf(3)
  beforeEach(() => setPolicy({ hostInterfaces: true }))

  const begin = `ip link set ${name} up
    ip address add 192.0.2.7/24 brd + dev ${name}
    ip address add 192.0.2.8/24 dev ${name}
    ip address add 2001:db8::7/64 dev ${name} nodad
    ip route add 198.51.100.0/24 via 192.0.2.1 dev ${name} metric 50 mtu 1400
    ip route add 203.0.113.0/24 dev ${name} table 77
    ip -6 route add 2001:db8:9::/48 via 2001:db8::1 dev ${name}`
  const end = `ip address flush dev ${name}; ip route flush dev ${name} table 77; ip link set ${name} down`
  const show = `ip address show dev ${name} | sed 's/^[0-9]*: //'
    ip route show table all dev ${name}
    ip -6 route show table all dev ${name}`
  const shown = async () =>
    (await shell(show))
      .split('\n')
      .filter((line) => !/fe80|ff00|qlen|valid_lft|link.ether/.test(line))
      .map((line) => line.replace(/ pref medium| linkdown/g, '').trim())
      .sort()
      .join('\n')

  test.each<[string, Conf]>([
    ['an interface', { ...hostLocal(), vlan: 100 }],
    ['a VF for DPDK', { dpdk: { dpdk_driver: 'vfio-pci' } }],
  ])('%s comes back with its addresses and routes', async (_what, more) => {
    await shell(begin)
    const before = await shown()
    expect(before.split('\n').length).toBeGreaterThan(8)
    const pod = await newPod()
    const conf = netConf(vf(3), more)
    await add(pod, conf)
    if (more.dpdk === undefined) {
      expect(await cidrsIn(pod, DEFAULT_IFNAME)).toEqual([expect.stringMatching(/^10\.9\.0\./)])
      expect(await routesIn(pod)).toEqual([])
    }
    await del(pod, conf)
    const after = await shown()
    expect(after, `${before}\n--\n${after}`).toEqual(before)
    await shell(end)
  })
})
