import { beforeAll, describe, expect, test } from 'vitest'
import { call, codeOf, hostOf, messageOf, netConf } from '../fakes/call.js'
import { ableDriver } from '../fakes/machine/card.js'
import { type Effect, recordEffects } from '../fakes/machine/interference.js'
import {
  makeNode,
  podPathAt,
  type VfPlace,
  type VfReports,
  vfAddressAt,
  withKernelVfLists,
} from '../fakes/machine/node.js'
import { snapshot } from '../fakes/machine/snapshot.js'
import type { FakeWorld } from '../fakes/machine/world.js'
import { callOn } from './fuzz/wrapped-call.js'

const VFS_PER_PF = 256
const PODS = 16
const VLAN = { vlan: 100, vlanQoS: 3, spoofchk: 'off' }

const nodeOf = (pfs: number, vfsPerPf = VFS_PER_PF): FakeWorld =>
  makeNode({ drivers: Array.from({ length: pfs }, () => ableDriver), vfsPerPf, pods: PODS })

/** The attachment of a VF: every VF its own, spread over the pods. */
const callerOf = ({ pf, index }: VfPlace) => ({
  containerId: `c${pf}x${index}`,
  netns: podPathAt(index % PODS),
  ifName: `n${pf}x${index}`,
})

/** One call on a kernel that reports its VFs at full length. */
function fullCall(world: FakeWorld, verb: string, place: VfPlace, reports: VfReports, effects: Effect[] = []) {
  const { containerId, netns, ifName } = callerOf(place)
  const environment = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifName,
    CNI_PATH: '/opt/cni/bin',
  }
  const conf = JSON.stringify(netConf({ ...VLAN, deviceID: vfAddressAt(place) }))
  const host = hostOf(
    world,
    recordEffects(() => true, effects),
  )
  return callOn(world, environment, conf, withKernelVfLists(host, reports))
}

async function attach(world: FakeWorld, places: readonly VfPlace[]): Promise<void> {
  for (const place of places) {
    const answer = await call(world, 'ADD', netConf({ deviceID: vfAddressAt(place) }), callerOf(place))
    if (answer.exitCode !== 0) {
      throw new Error(messageOf(answer))
    }
  }
  world.log.length = 0
}

const placesOf = (pfs: number, vfsPerPf = VFS_PER_PF): VfPlace[] =>
  Array.from({ length: pfs * vfsPerPf }, (_, i) => ({ pf: i % pfs, index: Math.floor(i / pfs) }))

const KERNELS = [
  { name: 'a list that fits', hasStats: false },
  { name: 'a list that overflows its 16-bit length', hasStats: true },
]

describe.each(KERNELS)('a PF with 256 VFs, $name', (reports) => {
  test.each([0, 1, 33, 34, 127, 128, 221, 222, 254, 255])('VF %i gets its settings, no other does', async (index) => {
    const world = nodeOf(1)
    const before = snapshot(world)
    const answer = await fullCall(world, 'ADD', { pf: 0, index }, reports)
    expect(messageOf(answer)).toBe(codeOf(answer) === undefined ? '' : undefined)
    const changed = snapshot(world).vfs.filter((vf, i) => JSON.stringify(vf) !== JSON.stringify(before.vfs[i]))
    expect(changed).toMatchObject([{ address: vfAddressAt({ pf: 0, index }), vlan: 100, vlanQoS: 3, spoofchk: false }])
    expect(await fullCall(world, 'CHECK', { pf: 0, index }, reports)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(await fullCall(world, 'DEL', { pf: 0, index }, reports)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(snapshot(world)).toEqual(before)
  })

  test('the settings that the last VF had come back', async () => {
    const world = nodeOf(1)
    Object.assign(world.vf(vfAddressAt({ pf: 0, index: 255 })).settings, { vlan: 7, maxTxRateMbps: 500 })
    const before = snapshot(world)
    expect(await fullCall(world, 'ADD', { pf: 0, index: 255 }, reports)).toMatchObject({ exitCode: 0 })
    expect(await fullCall(world, 'DEL', { pf: 0, index: 255 }, reports)).toMatchObject({ exitCode: 0 })
    expect(snapshot(world)).toEqual(before)
  })
})

/** What one ADD of a VF costs: effects, and bytes that the kernel sent. */
async function costOfAdd(world: FakeWorld, place: VfPlace) {
  const effects: Effect[] = []
  let bytes = 0
  const onReceive = (size: number) => {
    bytes += size
  }
  const answer = await fullCall(world, 'ADD', place, { hasStats: false, onReceive }, effects)
  expect(answer.exitCode, answer.stdout).toBe(0)
  return { effects, bytes }
}

const requestsIn = ({ effects }: { effects: readonly Effect[] }): number =>
  effects.filter(({ kind }) => kind === 'netlink').length

const LAST: VfPlace = { pf: 7, index: 255 }

describe('a node with 8 PFs of 256 VFs', () => {
  let full: FakeWorld

  beforeAll(async () => {
    full = nodeOf(8)
    await attach(
      full,
      placesOf(8).filter(({ pf, index }) => pf !== LAST.pf || index !== LAST.index),
    )
  }, 120_000)

  test('the last ADD costs no more than the ninth', async () => {
    const few = nodeOf(8)
    await attach(few, placesOf(8).slice(0, 8))
    const ninth = await costOfAdd(few, LAST)
    const last = await costOfAdd(full, LAST)
    expect(last.effects.length).toBeLessThanOrEqual(ninth.effects.length + 4)
    expect(requestsIn(last)).toBe(requestsIn(ninth))
    expect(last.bytes).toBeLessThanOrEqual(ninth.bytes * 1.01 + 100)
    expect(full.vf(vfAddressAt(LAST)).settings).toMatchObject({ vlan: 100, vlanQoS: 3 })
    expect(full.vf(vfAddressAt({ ...LAST, index: 254 })).settings).toMatchObject({ vlan: 0 })
    expect(full.vf(vfAddressAt({ pf: 6, index: 255 })).settings).toMatchObject({ vlan: 0 })
  })

  test('the last DEL costs no more than that of few, and touches no other', async () => {
    const before = snapshot(full)
    const place = { pf: 3, index: 200 }
    const few = nodeOf(8)
    await attach(few, placesOf(8).slice(0, 8))
    await attach(few, [place])
    const costs: Effect[][] = []
    for (const world of [few, full]) {
      const effects: Effect[] = []
      expect(await fullCall(world, 'DEL', place, { hasStats: false }, effects)).toMatchObject({ exitCode: 0 })
      costs.push(effects)
    }
    expect(costs[1]?.length).toBeLessThanOrEqual((costs[0]?.length ?? 0) + 4)
    expect(snapshot(full).vfs).toEqual(before.vfs)
    await attach(full, [place])
    expect(snapshot(full).files).toEqual(before.files)
  })
})

test('what an ADD costs grows no faster than the VFs of the PF', async () => {
  const [small, large] = [
    await costOfAdd(nodeOf(1, 64), { pf: 0, index: 63 }),
    await costOfAdd(nodeOf(1), { pf: 0, index: 255 }),
  ]
  expect(requestsIn(large)).toBe(requestsIn(small))
  expect(large.bytes).toBeLessThanOrEqual(small.bytes * 4)
  expect(large.effects.length).toBeLessThanOrEqual(small.effects.length * 4)
})
