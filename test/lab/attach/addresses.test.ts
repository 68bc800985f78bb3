import { describe, expect, test } from 'vitest'
import { add, type Conf, DEFAULT_IFNAME, del, netConf } from '../calls/plugin.js'
import { canPing, newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { addressesIn, cidrsIn, routesIn } from '../host/kernel-view.js'
import { until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

untouchedHost()
callsByResident()

interface Row {
  readonly name: string
  readonly ipam: Conf
  readonly addresses: readonly string[]
  readonly routes: readonly string[]
}

const ROWS: readonly Row[] = [
  {
    name: 'host-local with IPv4 and a default route by the gateway of the network',
    ipam: { type: 'host-local', subnet: '10.9.0.0/24', gateway: '10.9.0.254', routes: [{ dst: '0.0.0.0/0' }] },
    addresses: ['10.9.0.1/24'],
    routes: ['default via 10.9.0.254'],
  },
  {
    name: 'host-local with IPv4 and IPv6, routes with a gateway of their own',
    ipam: {
      type: 'host-local',
      ranges: [[{ subnet: '10.19.0.0/24' }], [{ subnet: 'fd00:9::/64' }]],
      routes: [
        { dst: '10.50.0.0/16', gw: '10.19.0.77' },
        { dst: 'fd00:50::/32', gw: 'fd00:9::77' },
      ],
    },
    addresses: ['10.19.0.2/24', 'fd00:9::2/64'],
    routes: ['10.50.0.0/16 via 10.19.0.77', 'fd00:50::/32 via fd00:9::77'],
  },
  {
    name: 'static with several addresses of both families, routes with and without a gateway',
    ipam: {
      type: 'static',
      addresses: [
        { address: '10.9.1.5/24', gateway: '10.9.1.1' },
        { address: '10.9.2.5/25' },
        { address: 'fd00:91::5/64', gateway: 'fd00:91::1' },
        { address: 'fd00:92::5/80' },
      ],
      routes: [
        { dst: '10.60.0.0/16' },
        { dst: '10.61.0.0/16', gw: '10.9.2.9' },
        { dst: 'fd00:60::/48' },
        { dst: '::/0', gw: 'fd00:92::9' },
      ],
    },
    addresses: ['10.9.1.5/24', '10.9.2.5/25', 'fd00:91::5/64', 'fd00:92::5/80'],
    routes: [
      '10.60.0.0/16 via 10.9.1.1',
      '10.61.0.0/16 via 10.9.2.9',
      'default via fd00:92::9',
      'fd00:60::/48 via fd00:91::1',
    ],
  },
  {
    name: 'static with a route whose family has no gateway at all',
    ipam: { type: 'static', addresses: [{ address: '10.9.3.5/24' }], routes: [{ dst: '10.62.0.0/16' }] },
    addresses: ['10.9.3.5/24'],
    routes: ['10.62.0.0/16'],
  },
]

describe('addresses and routes in the pod', () => {
  test.each(ROWS.map((row, i) => [row.name, row, i] as const))(
    'are those of %s',
    async (_name, { ipam, addresses, routes }, i) => {
      const pod = await newPod()
      // A network of its own: host-local goes on counting where the last lease was.
      const conf = netConf(vf(0), { name: `fresh-${i}`, ipam })
      const result = await add(pod, conf)
      expect(await cidrsIn(pod, DEFAULT_IFNAME)).toEqual(addresses)
      expect(await routesIn(pod)).toEqual(routes)
      expect(result.ips?.map(({ address }) => address).sort()).toEqual(addresses)
      expect(result.ips?.every((one) => one.interface === 0)).toBe(true)
      await del(pod, conf)
    },
  )
})

const dual = (subnet4: string, subnet6: string): Conf => ({
  ipam: { type: 'static', addresses: [{ address: subnet4 }, { address: subnet6 }] },
})

describe('IPv6', () => {
  test.each([{}, { promisc: true, trust: 'on' }, { allmulti: true }])(
    'is usable right after ADD and stays, with %j',
    async (more) => {
      const [first, second] = [await newPod(), await newPod()]
      const one = netConf(vf(0), { ...dual('10.9.4.1/24', 'fd00:94::1/64'), ...more })
      const two = netConf(vf(1), { ...dual('10.9.4.2/24', 'fd00:94::2/64'), ...more })
      await add(first, one)
      await add(second, two)
      await until(
        'the pods answer each other',
        async () => (await canPing(second, 'fd00:94::1')) && canPing(first, '10.9.4.2'),
      )
      for (const pod of [first, second]) {
        const own = () => addressesIn(pod, DEFAULT_IFNAME)
        // Duplicate address detection lasts a second.
        await until('it has ended', async () => (await own()).every(({ tentative }) => !tentative))
        expect(await own()).toHaveLength(2)
        expect((await own()).filter(({ dadfailed }) => dadfailed)).toEqual([])
      }
      expect(await canPing(first, 'fd00:94::2')).toBe(true)
      await del(first, one)
      await del(second, two)
    },
  )
})
