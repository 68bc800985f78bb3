import { describe, expect, test } from 'vitest'
import { type DeviceOfPod, makeCollector, type PoolSize } from '../../../src/metrics/collect.js'
import { metricsText } from '../../../src/metrics/text.js'
import { JOURNAL, noteCall } from '../../../src/state/journal.js'
import { call, callHostAs, hostOf, netConf } from '../../fakes/call.js'
import { makeMachine, PF, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import type { FakeWorld } from '../../fakes/machine/world.js'

const CART = { CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0' }
/** rx and tx packets, rx and tx bytes, rx and tx errors, rx and tx dropped, multicast. */
const TRAFFIC = [11, 12, 1_100, 1_200, 0, 5, 1, 2, 3]

function collectorOf(world: FakeWorld) {
  const ports = {
    pools: [] as PoolSize[],
    devices: [] as DeviceOfPod[],
    problem: undefined as string | undefined,
    living: { pods: new Map<string, { namespace: string; name: string }>(), sandboxes: new Set<string>() },
    runtimeProblem: undefined as string | undefined,
    errors: [] as string[],
  }
  const collector = makeCollector(
    {
      openHost: () => callHostAs(world, {}),
      pools: () => ports.pools,
      devicesOfPods: async () => {
        if (ports.problem !== undefined) {
          throw new Error(ports.problem)
        }
        return ports.devices
      },
      living: async () => {
        if (ports.runtimeProblem !== undefined) {
          throw new Error(ports.runtimeProblem)
        }
        return ports.living
      },
    },
    (what) => ports.errors.push(what),
  )
  return { ports, lines: async () => metricsText(await collector.collect()).split('\n') }
}

test('kubelet is asked who has a device while it is asked who lives', async () => {
  let askedForDevices: () => void = () => undefined
  const asked = new Promise<void>((resolve) => {
    askedForDevices = resolve
  })
  const world = makeMachine()
  await call(world, 'ADD', netConf())
  const collector = makeCollector(
    {
      openHost: () => callHostAs(world, {}),
      pools: () => [],
      devicesOfPods: async () => {
        askedForDevices()
        return []
      },
      living: async () => {
        await asked
        return { pods: new Map(), sandboxes: new Set() }
      },
    },
    () => undefined,
  )
  expect(metricsText(await collector.collect())).toContain('sriov_gc_candidates')
})

describe('the metrics of a node', () => {
  test('tell VFs by PF and state, and what is not finished', async () => {
    const world = makeMachine()
    const { lines } = collectorOf(world)
    await call(world, 'ADD', netConf())
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'sriov_vfs{pf="ens1f0",state="free"} 3',
        'sriov_vfs{pf="ens1f0",state="in-use"} 1',
        'sriov_vfs{pf="ens1f0",state="leaked"} 0',
        'sriov_pf_up{pf="ens1f0"} 1',
        'sriov_attachments 1',
        'sriov_releases_unfinished 0',
      ]),
    )
    world.removeNetns(POD_A, 0)
    expect(await lines()).toEqual(
      expect.arrayContaining(['sriov_vfs{pf="ens1f0",state="leaked"} 1', 'sriov_releases_unfinished 1']),
    )
    expect(world.openDescriptors).toBe(0)
  })

  test('count calls by verb and code from the journal, once, also when it is replaced by a new file', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf())
    const { lines } = collectorOf(world)
    const calls = async () => (await lines()).filter((line) => line.startsWith('sriov_calls_total{'))
    expect(await calls()).toEqual([])
    await call(world, 'DEL', netConf())
    await call(world, 'ADD', netConf({ vlan: 5000 }))
    const once = ['sriov_calls_total{verb="DEL",code="0"} 1', 'sriov_calls_total{verb="ADD",code="7"} 1']
    expect(await calls()).toEqual(once)
    expect(await calls()).toEqual(once)
    world.files.set(`${JOURNAL}.1`, world.files.get(JOURNAL) ?? '')
    world.files.delete(JOURNAL)
    await call(world, 'ADD', netConf())
    expect(await calls()).toEqual([...once, 'sriov_calls_total{verb="ADD",code="0"} 1'])
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'sriov_call_duration_seconds_bucket{verb="ADD",le="+Inf"} 2',
        'sriov_call_duration_seconds_count{verb="ADD"} 2',
      ]),
    )
  })

  test('have the phases of each ADD and DEL; a phase that is not known here is left out', async () => {
    const world = makeMachine()
    const { lines } = collectorOf(world)
    await call(world, 'ADD', netConf())
    const entry = { at: '2026-01-01T00:00:00.000Z', verb: 'ADD', ms: 9, containerId: 'c', ifName: 'net1', network: 'n' }
    noteCall(hostOf(world).files, { ...entry, phases: { move: 70, ...{ firmware: 3 } } })
    const told = (await lines()).filter((line) => line.startsWith('sriov_phase_duration_seconds'))
    expect(told).toEqual(
      expect.arrayContaining([
        'sriov_phase_duration_seconds_bucket{verb="ADD",phase="move",le="0.05"} 1',
        'sriov_phase_duration_seconds_bucket{verb="ADD",phase="move",le="0.1"} 2',
        'sriov_phase_duration_seconds_bucket{verb="ADD",phase="move",le="+Inf"} 2',
        'sriov_phase_duration_seconds_sum{verb="ADD",phase="move"} 0.07',
        'sriov_phase_duration_seconds_count{verb="ADD",phase="lock"} 1',
      ]),
    )
    expect(told.join()).not.toMatch(/firmware|driver|ipam/)
  })

  test('have what the PF has counted for a VF, with its pod in the same series', async () => {
    const world = makeMachine()
    const { lines, ports } = collectorOf(world)
    world.vf(VF_ADDRESS).traffic = [1, 2, 30, 40, 5, 6, 0, 7, 8]
    await call(world, 'ADD', netConf(), { environment: CART })
    const labels = `pf="${PF}",vf="2",pciAddr="${VF_ADDRESS}",numa_node="-1",namespace="shop",pod="cart-0"`
    expect(await lines()).toEqual(
      expect.arrayContaining([
        `sriov_vf_rx_bytes{${labels},container=""} 30`,
        `sriov_vf_tx_packets{${labels},container=""} 2`,
        `sriov_vf_rx_dropped{${labels},container=""} 7`,
        `sriov_vf_rx_broadcast{${labels},container=""} 5`,
      ]),
    )
    ports.devices = [{ address: VF_ADDRESS, resource: 'a/b', namespace: 'shop', pod: 'cart-0', container: 'web' }]
    expect(await lines()).toEqual(
      expect.arrayContaining([
        `sriov_vf_rx_bytes{${labels},container="web"} 30`,
        `sriov_kubepoddevice{pciAddr="${VF_ADDRESS}",dev_type="a/b",pod="cart-0",namespace="shop",container="web"} 1`,
      ]),
    )
  })

  test('ask the interface of the VF, in its pod or on the host, where the PF counts nothing; a zero is no answer', async () => {
    const world = makeMachine()
    const { lines } = collectorOf(world)
    world.vf(VF_ADDRESS).traffic = [0, 0, 0, 0, 0, 0, 0, 0, 0]
    world.link(world.host, VF_NAME).traffic = TRAFFIC
    const rxOf = async () => (await lines()).filter((line) => line.startsWith('sriov_vf_rx_bytes{'))
    expect(await rxOf()).toEqual([expect.stringMatching(/pciAddr="0000:01:10\.4".* 1100$/)])
    await call(world, 'ADD', netConf())
    world.link(world.netns(POD_A), 'net1').name = 'data0'
    expect(await rxOf()).toEqual([expect.stringMatching(/pciAddr="0000:01:10\.4".* 1100$/)])
    expect(await lines()).toContainEqual(expect.stringMatching(/^sriov_vf_tx_errors\{.* 5$/))
  })

  test('say how many devices a GC would give back: not what is young or alive; asked once a minute', async () => {
    const world = makeMachine()
    const { lines, ports } = collectorOf(world)
    const toGo = async () => (await lines()).find((line) => line.startsWith('sriov_gc_candidates '))
    await call(world, 'ADD', netConf())
    expect(await toGo()).toBe('sriov_gc_candidates 0')
    world.removeNetns(POD_A, 0)
    await world.clock.sleep(60_000)
    expect(await toGo()).toBe('sriov_gc_candidates 0')
    await world.clock.sleep(600_000)
    expect(await toGo()).toBe('sriov_gc_candidates 1')
    ports.living.sandboxes.add('pod-a')
    expect(await toGo()).toBe('sriov_gc_candidates 1')
    await world.clock.sleep(60_000)
    expect(await toGo()).toBe('sriov_gc_candidates 0')
  })

  test('leave that out while the container runtime does not answer, and count it', async () => {
    const world = makeMachine()
    const { lines, ports } = collectorOf(world)
    ports.runtimeProblem = 'containerd.sock does not answer'
    for (const told of [await lines(), await lines()]) {
      expect(told.join()).not.toContain('sriov_gc_candidates')
      expect(told).toContain('sriov_collect_errors_total{part="gc"} 1')
    }
    expect(ports.errors).toEqual(['gc: containerd.sock does not answer'])
    ports.runtimeProblem = undefined
    await world.clock.sleep(60_000)
    expect(await lines()).toContain('sriov_gc_candidates 0')
  })

  test('tell nothing of VFs while they cannot be looked at: with zeros an alert would end', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf())
    const host = callHostAs(world, {})
    const openRouteSocket = () => {
      throw new Error('EMFILE')
    }
    const errors: string[] = []
    const collector = makeCollector(
      {
        openHost: () => ({ ...host, kernel: { ...host.kernel, openRouteSocket } }),
        pools: () => [],
        devicesOfPods: async () => [],
        living: async () => ({ pods: new Map(), sandboxes: new Set<string>() }),
      },
      (what) => errors.push(what),
    )
    const text = metricsText(await collector.collect())
    expect(errors).toContain('vfs: EMFILE')
    expect(text).toContain('sriov_collect_errors_total{part="vfs"} 1')
    expect(text).not.toMatch(/^sriov_(attachments|vfs|releases_unfinished)/m)
  })

  test('tell the pools, and what could not be collected; the rest is there all the same', async () => {
    const { lines, ports } = collectorOf(makeMachine())
    ports.pools = [{ resource: 'intel.com/vfs', free: 3, used: 2, unhealthy: 1 }]
    ports.problem = 'kubelet does not answer'
    await lines()
    expect(await lines()).toEqual(
      expect.arrayContaining([
        'sriov_pool_devices{resource="intel.com/vfs",state="free"} 3',
        'sriov_pool_devices{resource="intel.com/vfs",state="used"} 2',
        'sriov_pool_devices{resource="intel.com/vfs",state="unhealthy"} 1',
        'sriov_collect_errors_total{part="kubelet"} 2',
        'sriov_collect_errors_total{part="vfs"} 0',
        'sriov_vfs{pf="ens1f0",state="free"} 4',
      ]),
    )
    expect(ports.errors).toEqual(['kubelet: kubelet does not answer', 'kubelet: kubelet does not answer'])
  })
})
