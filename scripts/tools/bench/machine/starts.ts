import { type Bed, NODE, ONE_SHOT, sriov, sriovCall } from '../cases.js'
import { type Figures, measure, time } from '../measure.js'
import { clearSpans, nowMs, readSpans } from './spans.js'

/** No such device: everything up to the look for it is done. */
const NOWHERE: Bed = { device: '0000:fe:00.0', netdev: '', netns: '/run/netns/bench-0', container: 'bench-0' }

/** How long a call takes that does nothing. */
export const measureStarts = (rounds: number): Promise<Figures[]> =>
  measure(
    [
      NODE,
      { name: 'one-shot VERSION', add: (bed) => sriovCall('VERSION', bed, {}, ONE_SHOT) },
      {
        name: 'one-shot ADD of an unknown device',
        status: 1,
        add: (bed) => sriovCall('ADD', bed, {}, ONE_SHOT),
      },
      { name: 'resident ADD of an unknown device', status: 1, add: (bed) => sriovCall('ADD', bed, {}, {}) },
      { name: 'resident VERSION', add: (bed) => sriovCall('VERSION', bed, {}, {}) },
    ],
    [NOWHERE],
    { rounds, warmUp: 3, onRound: () => undefined },
  )

/** From the start of the launcher to the first netlink message of a one-shot ADD, beside a bare start of Node.js. */
export async function measureFirstMessage(rounds: number, bed: Bed): Promise<Figures[]> {
  const plugin = sriov('one-shot, first netlink message', {}, ONE_SHOT)
  const [bare, first]: [Figures, Figures] = [
    { name: NODE.name, addMs: [], delMs: [] },
    { name: plugin.name, addMs: [], delMs: [] },
  ]
  for (let round = 0; round < rounds; round += 1) {
    bare.addMs.push(await time([NODE.add(bed)]))
    clearSpans()
    const beginMs = nowMs()
    await time([plugin.add(bed)])
    const message = readSpans().find(({ kind }) => kind === 'look' || kind === 'change')
    if (!message) {
      throw new Error('a one-shot ADD has sent no netlink message')
    }
    first.addMs.push(message.beginMs - beginMs)
    await time([plugin.del(bed)])
  }
  return [bare, first]
}
