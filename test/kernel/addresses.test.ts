import { afterEach, describe, expect, test } from 'vitest'
import { IFA_F_DADFAILED } from '../../src/netlink/constants.js'
import { addAddressRequest, addressesOf } from '../../src/rtnl/address.js'
import { openRtnl } from '../../src/rtnl/connection.js'
import { requireLink } from '../../src/rtnl/link.js'
import { addRouteRequest } from '../../src/rtnl/route.js'
import { configureAddresses } from '../../src/sriov/netdev/addresses.js'
import { hostOf } from '../fakes/call.js'
import { makeMachine } from '../fakes/machine/machine.js'
import { hostOfKernel, ip, ipJson, missingCapability, pairOf, TestNamespaces, within } from './netns.js'

const missing = missingCapability()
const namespaces = new TestNamespaces()

afterEach(() => namespaces.removeAll())

describe.skipIf(missing)(`addresses and routes (${missing ?? 'can run here'})`, () => {
  test('are added as ip shows them', async () => {
    const { a } = pairOf(namespaces)
    await within(a.path, async (netns) => {
      using rtnl = openRtnl(hostOfKernel(), netns)
      const { index } = await requireLink(rtnl, 'left')
      await rtnl.changeAll(['10.9.0.5/24', '2001:db8::5/64'].map((cidr) => addAddressRequest(index, 'left', cidr)))
      const routes = [
        { dst: '0.0.0.0/0', gw: '10.9.0.1' },
        { dst: '10.77.3.4/16', gw: '10.9.0.1', mtu: 1400, advmss: 1300, priority: 7, table: 1000 },
        { dst: '10.78.0.0/16' },
        { dst: '2001:db8:1::/48', gw: '2001:db8::1', priority: 9 },
      ]
      for (const route of routes) {
        await rtnl.change(addRouteRequest(index, 'left', route))
      }
      const read = await addressesOf(rtnl, index)
      expect(read.map(({ bytes }) => bytes.toString('hex'))).toEqual(
        expect.arrayContaining(['0a090005', '20010db8000000000000000000000005']),
      )
    })
    const [shown] = ipJson('-n', a.name, 'addr', 'show', 'left')
    expect(shown?.addr_info).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ local: '10.9.0.5', prefixlen: 24, broadcast: '10.9.0.255', scope: 'global' }),
        expect.objectContaining({ local: '2001:db8::5', prefixlen: 64, scope: 'global' }),
      ]),
    )
    expect(ipJson('-n', a.name, 'route', 'show', 'table', 'all', 'default')).toMatchObject([{ gateway: '10.9.0.1' }])
    expect(ipJson('-n', a.name, 'route', 'show', 'table', '1000')).toMatchObject([
      { dst: '10.77.0.0/16', gateway: '10.9.0.1', metric: 7, metrics: [{ mtu: 1400, advmss: 1300 }] },
    ])
    expect(ipJson('-n', a.name, 'route', 'show', '10.78.0.0/16')).toMatchObject([{ scope: 'link' }])
    expect(ipJson('-n', a.name, '-6', 'route', 'show', '2001:db8:1::/48')).toMatchObject([
      { gateway: '2001:db8::1', metric: 9 },
    ])
  })

  test('report a second time as EEXIST, naming the address', async () => {
    const { a } = pairOf(namespaces)
    await within(a.path, async (netns) => {
      using rtnl = openRtnl(hostOfKernel(), netns)
      const { index } = await requireLink(rtnl, 'left')
      await rtnl.change(addAddressRequest(index, 'left', '10.9.0.5/24'))
      await expect(rtnl.change(addAddressRequest(index, 'left', '10.9.0.5/24'))).rejects.toThrow(
        /add the address 10\.9\.0\.5\/24 on left: EEXIST/,
      )
    })
  })

  test('configureAddresses() makes both families usable and tells the neighbours', async () => {
    const { a, b } = pairOf(namespaces)
    ip('-n', b.name, 'addr', 'add', '10.9.0.2/24', 'dev', 'right')
    ip('-n', b.name, 'neigh', 'add', '10.9.0.5', 'lladdr', '02:00:00:00:00:01', 'dev', 'right', 'nud', 'stale')
    await within(a.path, async (netns) => {
      const host = { ...hostOf(makeMachine()), ...hostOfKernel() }
      using rtnl = openRtnl(host, netns)
      const link = await requireLink(rtnl, 'left')
      const leased = {
        interfaces: [],
        ips: [{ address: '10.9.0.5/24', gateway: '10.9.0.1' }, { address: '2001:db8::5/64' }],
        routes: [{ dst: '0.0.0.0/0' }],
        dns: {},
      }
      await configureAddresses(host, { netns, rtnl, link }, leased)
      await expect.poll(() => ipJson('-n', b.name, 'neigh', 'show', '10.9.0.5')).toMatchObject([{ lladdr: link.mac }])
    })
    expect(ipJson('-n', a.name, 'route', 'show', 'default')).toMatchObject([{ gateway: '10.9.0.1' }])
    const [shown] = ipJson('-n', a.name, '-6', 'addr', 'show', 'left', 'scope', 'global')
    expect(shown?.addr_info).toEqual(expect.arrayContaining([expect.objectContaining({ local: '2001:db8::5' })]))
    expect(JSON.stringify(shown)).not.toMatch(/"(dadfailed)":true/)
  })

  test('addressesOf() shows that another host has an address', async () => {
    const { a, b } = pairOf(namespaces)
    ip('-n', b.name, 'addr', 'add', '2001:db8::5/64', 'dev', 'right', 'nodad')
    await within(a.path, async (netns) => {
      using rtnl = openRtnl(hostOfKernel(), netns)
      const { index } = await requireLink(rtnl, 'left')
      await rtnl.change(addAddressRequest(index, 'left', '2001:db8::5/64'))
      const failed = async () => (await addressesOf(rtnl, index)).filter(({ flags }) => flags & IFA_F_DADFAILED).length
      await expect.poll(failed, { timeout: 10_000 }).toBe(1)
    })
  })
})
