import { describe, expect, test } from 'vitest'
import { add, type Conf, del, netConf } from '../calls/plugin.js'
import { canPing, newPod } from '../calls/pods.js'
import { settingsOf } from '../host/kernel-view.js'
import { start, until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { OTHER_PF, vf } from '../host/virtual-functions.js'

const ROUNDS = 3
/** What was not seen by then was not announced: the next round may see it. */
const ANNOUNCED_MS = 20_000

untouchedHost()

/**
 * tcpdump on the other card of the wire. Not promiscuous: the emulated card then ignores the multicast groups that it
 * has joined.
 */
async function listen(filter: string): Promise<Listener> {
  const tcpdump = start('tcpdump', [
    '-i',
    OTHER_PF,
    '-p',
    '--immediate-mode',
    '-l',
    '-n',
    '-e',
    '-v',
    ...filter.split(' '),
  ])
  // Its socket is open long before the filter is in it, and what arrives between is thrown away.
  await until('tcpdump listens', async () => tcpdump.printed().stderr.includes('listening on'))
  const seen = (): string => tcpdump.printed().stdout.replaceAll(/\n\s+/g, ' ')
  return {
    seen,
    async stop() {
      process.kill(tcpdump.pid, 'SIGINT')
      await tcpdump.done
      return seen()
    },
  }
}

interface Listener {
  /** A frame in a line, so far. */
  seen(): string
  /** The same, to its end. */
  stop(): Promise<string>
}

const at = (address: string): Conf => ({ ipam: { type: 'static', addresses: [{ address }] } })

describe('what neighbours on the wire see of an ADD', () => {
  test.each([
    ['10.9.6.1/24', 'arp', /02:00:00:00:06:01 > ff:ff:ff:ff:ff:ff.*ARP.*10\.9\.6\.1.*10\.9\.6\.1/],
    [
      'fd00:96::1/64',
      'icmp6 and ip6[40] == 136',
      /02:00:00:00:06:01 > 33:33:00:00:00:01.*neighbor advertisement.*fd00:96::1.*override.*02:00:00:00:06:01/,
    ],
  ])('%s is announced', async (address, filter, seen) => {
    const pod = await newPod()
    const conf = netConf(vf(0), { mac: '02:00:00:00:06:01', ...at(address) })
    const listener = await listen(filter)
    // Nothing is announced where the VF has no carrier within a second: a busy machine may take longer.
    for (let round = 1; round <= ROUNDS && !seen.test(listener.seen()); round += 1) {
      await add(pod, conf)
      await del(pod, conf)
      // It reads files of the machine before it prints its first frame.
      await until('the announcement is seen', async () => seen.test(listener.seen()), ANNOUNCED_MS).catch(
        () => undefined,
      )
    }
    expect(await listener.stop()).toMatch(seen)
  })
})

test('pods of one VLAN reach each other, and a pod of another VLAN reaches none', async () => {
  const [left, right, stranger] = [await newPod(), await newPod(), await newPod()]
  const confs = [
    netConf(vf(0), { vlan: 100, ...at('10.9.7.1/24') }),
    netConf(vf(1), { vlan: 100, ...at('10.9.7.2/24') }),
    netConf(vf(2), { vlan: 200, ...at('10.9.7.3/24') }),
  ] as const
  await add(left, confs[0])
  await add(right, confs[1])
  await add(stranger, confs[2])
  expect((await settingsOf(vf(2))).vlan_list).toEqual([{ vlan: 200 }])
  // Whether the first packet arrives is the question of first-packet.test.ts.
  await until('left reaches right', () => canPing(left, '10.9.7.2'))
  await until('right reaches left', () => canPing(right, '10.9.7.1'))
  expect(await canPing(stranger, '10.9.7.1')).toBe(false)
  expect(await canPing(left, '10.9.7.3')).toBe(false)
  await del(left, confs[0])
  await del(right, confs[1])
  await del(stranger, confs[2])
})
