import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { ableDriver } from '../../fakes/machine/card.js'
import { makeNode, pfNameAt, podPathAt, vfAddressAt } from '../../fakes/machine/node.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'

const VFS = 3
const vf = (index: number) => vfAddressAt({ pf: 0, index })

/** VF 0 is on vfio-pci. */
function node() {
  const world = makeNode({ drivers: [ableDriver], vfsPerPf: VFS, pods: 5 })
  for (let index = 0; index < VFS; index += 1) {
    world.iommuGroups.set(index + 20, [vf(index)])
  }
  giveTo(world, vf(0), 'vfio-pci')
  return world
}

const DPDK = { dpdk: { dpdk_driver: 'vfio-pci' } }
const WAYS = [
  ['master', { master: pfNameAt(0) }],
  ['selectors', { selectors: { pfNames: [pfNameAt(0)] } }],
] as const

const add = (world: FakeWorld, pod: number, keys: object) =>
  call(world, 'ADD', netConf({ deviceID: undefined, ...keys }), { containerId: `c${pod}`, netns: podPathAt(pod) })
const del = (world: FakeWorld, pod: number, keys: object) =>
  call(world, 'DEL', netConf({ deviceID: undefined, ...keys }), { containerId: `c${pod}`, netns: podPathAt(pod) })

async function got(world: FakeWorld, pod: number, keys: object): Promise<unknown> {
  const answer = await add(world, pod, keys)
  const interfaces = documentOf(answer)?.interfaces as { pciID: string }[] | undefined
  return interfaces?.[0]?.pciID ?? codeOf(answer)
}

describe.each(WAYS)('a VF that is chosen by %s', (_way, keys) => {
  test('without dpdk is not one on vfio-pci, which code 11 names', async () => {
    const world = node()
    const before = snapshot(world)
    expect([await got(world, 0, keys), await got(world, 1, keys)]).toEqual([vf(1), vf(2)])
    const full = snapshot(world)
    const answer = await add(world, 2, keys)
    expect(codeOf(answer)).toBe(11)
    expect(messageOf(answer)).toContain(`${vf(0)}): it is bound to vfio-pci`)
    expect(messageOf(answer)).toMatch(/dpdk or selectors\.drivers/)
    expect(snapshot(world)).toEqual(full)
    await del(world, 0, keys)
    await del(world, 1, keys)
    expect(snapshot(world)).toEqual(before)
  })

  test('with dpdk is one of either kind, and each goes back to its own driver', async () => {
    const world = node()
    const before = snapshot(world)
    const conf = { ...keys, ...DPDK }
    expect([await got(world, 0, conf), await got(world, 1, conf), await got(world, 2, conf)]).toEqual([
      vf(0),
      vf(1),
      vf(2),
    ])
    expect(codeOf(await add(world, 3, conf))).toBe(11)
    for (const pod of [0, 1, 2]) {
      expect(messageOf(await del(world, pod, conf))).toBe('')
    }
    expect(snapshot(world)).toEqual(before)
  })

  test('with dpdk is one without a driver, too; without dpdk code 11 says that it has none', async () => {
    const world = node()
    giveTo(world, vf(0), undefined)
    expect(await got(world, 0, { ...keys, ...DPDK })).toBe(vf(0))
    await del(world, 0, { ...keys, ...DPDK })
    expect([await got(world, 1, keys), await got(world, 2, keys)]).toEqual([vf(1), vf(2)])
    expect(messageOf(await add(world, 3, keys))).toContain(`${vf(0)}) is bound to no driver`)
  })
})

test('selectors.drivers that name vfio-pci take a VF on it, and no other', async () => {
  const world = node()
  const keys = { selectors: { drivers: ['vfio-pci'] } }
  const before = snapshot(world)
  expect(await got(world, 0, keys)).toBe(vf(0))
  const answer = await add(world, 1, keys)
  expect(codeOf(answer)).toBe(11)
  expect(messageOf(answer)).toContain('there are 1:')
  await del(world, 0, keys)
  expect(snapshot(world)).toEqual(before)
})

test('vf with master takes exactly that VF, though it is on vfio-pci', async () => {
  const world = node()
  expect(await got(world, 0, { master: pfNameAt(0), vf: 0 })).toBe(vf(0))
})

test('ten ADDs at once with dpdk get as many VFs as there are, each its own', async () => {
  const world = makeNode({ drivers: [ableDriver], vfsPerPf: VFS, pods: 10 })
  world.iommuGroups
    .set(20, [vf(0)])
    .set(21, [vf(1)])
    .set(22, [vf(2)])
  const keys = { master: pfNameAt(0), ...DPDK }
  const answers = await Promise.all(Array.from({ length: 10 }, (_, pod) => got(world, pod, keys)))
  expect(answers.filter((one) => one !== 11).sort()).toEqual([vf(0), vf(1), vf(2)])
})
