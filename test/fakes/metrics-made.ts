import { makeCollector } from '../../src/metrics/collect.js'
import type { MetricsMade } from '../promql.js'
import { call, callHostAs, netConf } from './call.js'
import { makeMachine, VF_ADDRESS, VF_NAME } from './machine/machine.js'

/** The names and labels of the metrics that src/metrics makes, on a node where there is something to tell of each. */
export async function metricsMade(): Promise<MetricsMade> {
  const world = makeMachine()
  const device = { address: VF_ADDRESS, resource: 'intel.com/vfs', namespace: 'shop', pod: 'cart-0', container: 'web' }
  const collector = makeCollector(
    {
      openHost: () => callHostAs(world, {}),
      pools: () => [{ resource: 'intel.com/vfs', free: 3, used: 2, unhealthy: 1 }],
      devicesOfPods: async () => [device],
      living: async () => ({ pods: new Map(), sandboxes: new Set() }),
    },
    () => undefined,
  )
  world.vf(VF_ADDRESS).traffic = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  await call(world, 'ADD', netConf())
  const withPf = await collector.collect()
  // What a PF does not count, the interface of the VF does: the errors of sending.
  world.vf(VF_ADDRESS).traffic = [0, 0, 0, 0, 0, 0, 0, 0, 0]
  await call(world, 'DEL', netConf())
  world.link(world.host, VF_NAME).traffic = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  const all = [...withPf, ...(await collector.collect())]
  const made = new Map<string, Set<string>>()
  for (const { name, samples } of all) {
    for (const { labels, suffix = '' } of samples) {
      made.set(name + suffix, new Set([...(made.get(name + suffix) ?? []), ...Object.keys(labels)]))
    }
  }
  return made
}
