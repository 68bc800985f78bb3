import { describe, expect, test } from 'vitest'
import { errnoOf } from '../../../src/errors.js'
import { openRtnl, type Rtnl } from '../../../src/rtnl/connection.js'
import { addAltNames, changeLink, linkByIndex, linkByName, removeAltNames } from '../../../src/rtnl/link.js'
import { call, hostOf, messageOf, netConf } from '../../fakes/call.js'
import { type FakeNetns, makeLink } from '../../fakes/kernel/links.js'
import type { Interference } from '../../fakes/machine/interference.js'
import { makeMachine, POD_A, POD_B, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const CONF = netConf({ ...ALL_SETTINGS, ...IPAM })

function oldMachine(): FakeWorld {
  const world = makeMachine()
  world.ageKernel()
  return world
}

async function attached(): Promise<{ world: FakeWorld; before: ReturnType<typeof snapshot>; pod: FakeNetns }> {
  const world = oldMachine()
  const before = snapshot(world)
  expect(messageOf(await call(world, 'ADD', CONF))).toBe('')
  return { world, before, pod: world.netns(POD_A) }
}

const codeOfRefusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error) => errnoOf(error) ?? String(error),
  )

/** What Debian's 5.10.223 answered to the same requests by ip(8). */
test('the fake kernel treats alternative names as Linux 5.10 does', async () => {
  const world = oldMachine()
  const host = hostOf(world)
  const within = (path?: string): Rtnl => openRtnl(host, path === undefined ? undefined : host.kernel.openNetns(path))
  const [onHost, inPod] = [within(), within(POD_A)]
  const vf = await linkByName(onHost, VF_NAME)
  const index = vf?.index ?? 0
  const move = (from: Rtnl, path: string) => {
    const netns = path === '' ? host.kernel.ownNetns() : host.kernel.openNetns(path)
    return changeLink(from, index, { netnsFd: netns.fd }, { operation: 'move it', target: VF_NAME })
  }
  await addAltNames(onHost, index, ['hostalt'], VF_NAME)
  await move(onHost, POD_A)
  expect(await linkByName(inPod, 'hostalt')).toBeUndefined()
  expect((await linkByName(onHost, 'hostalt'))?.name).toBe(VF_NAME)
  expect((await linkByName(inPod, VF_NAME))?.altNames).toContain('hostalt')
  expect(await codeOfRefusal(removeAltNames(inPod, index, ['hostalt'], VF_NAME))).toBe('ENOENT')
  await addAltNames(inPod, index, ['podalt'], VF_NAME)
  await move(inPod, '')
  expect((await linkByIndex(onHost, index))?.altNames).toEqual(expect.arrayContaining(['hostalt', 'podalt']))
  expect(await linkByName(onHost, 'podalt')).toBeUndefined()
  expect((await linkByName(inPod, 'podalt'))?.name).toBe(VF_NAME)
  expect(await codeOfRefusal(removeAltNames(onHost, index, ['podalt'], VF_NAME))).toBe('ENOENT')
  expect(await codeOfRefusal(removeAltNames(onHost, index, [VF_NAME], VF_NAME))).toBe('ENOENT')
  expect(await codeOfRefusal(removeAltNames(onHost, index, ['hostalt'], VF_NAME))).toBe('done')
})

describe('on a kernel that shows no devices and leaves alternative names behind', () => {
  test.each([
    ['renamed', (pod: FakeNetns) => void Object.assign(pod.links.at(-1) ?? {}, { name: 'data0' })],
    [
      'renamed, another interface under its name',
      (pod: FakeNetns) => {
        Object.assign(pod.links.at(-1) ?? {}, { name: 'data0' })
        pod.links.push(makeLink({ name: 'net1' }))
      },
    ],
    [
      'renamed, another interface under its name of the host',
      (pod: FakeNetns) => {
        Object.assign(pod.links.at(-1) ?? {}, { name: 'data0' })
        pod.links.push(makeLink({ name: VF_NAME }))
      },
    ],
  ])('DEL gives back a VF that is %s', async (_what, change) => {
    const { world, before, pod } = await attached()
    change(pod)
    const own = pod.links.filter(({ parentDevice }) => parentDevice === undefined).map(({ name }) => name)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(pod.links.map(({ name }) => name)).toEqual(own)
    pod.links.splice(1)
    expect(snapshot(world)).toEqual(before)
  })

  test.each(['thealt', VF_NAME, 'ens1f0'])('an alternative name %s that the pod gave goes with DEL', async (name) => {
    const { world, before, pod } = await attached()
    const link = world.link(pod, 'net1')
    link.altNames.push(name)
    pod.altNames?.set(name, link)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('a name that the kernel shows and does not find keeps no VF: the pod died, and the next one gets it', async () => {
    const { world, pod } = await attached()
    const link = world.link(pod, 'net1')
    link.altNames.push(VF_NAME, 'stray')
    world.removeNetns(POD_A)
    const next = { containerId: 'pod-b', netns: POD_B }
    expect(messageOf(await call(world, 'ADD', CONF, next))).toBe('')
    expect(world.netns(POD_B).links.map(({ parentDevice }) => parentDevice)).toContain(VF_ADDRESS)
    expect(messageOf(await call(world, 'DEL', CONF, next))).toBe('')
    expect(world.link(world.host, VF_NAME).parentDevice).toBe(VF_ADDRESS)
  })

  test('a pod that swaps two names between the look and the move gets its own interface back', async () => {
    const { world, before, pod } = await attached()
    const stranger = makeLink({ name: 'stranger' })
    pod.links.push(stranger)
    const vf = world.link(pod, 'net1')
    const swap = () => ([stranger.name, vf.name] = [vf.name, stranger.name])
    let swaps = 0
    // The kernel has said that an interface is called net1; by the time its driver is asked, that is the VF.
    swap()
    const interfere: Interference = (effect, work) => {
      if (effect.kind !== 'ethtool' || effect.what !== 'bus info of net1' || swaps > 0) {
        return work()
      }
      swaps += 1
      swap()
      const told = work()
      swap()
      return told
    }
    expect(messageOf(await call(world, 'DEL', CONF, { interfere }))).toBe('')
    expect(swaps).toBe(1)
    expect(world.log.join('\n')).toContain('the pod has put another interface into the place of its VF')
    expect(pod.links).toContain(stranger)
    pod.links.splice(pod.links.indexOf(stranger), 1)
    expect(snapshot(world)).toEqual(before)
  })

  const NO_ANSWER: Interference = (effect, work, refuse) => (effect.kind === 'ethtool' ? refuse('EIO') : work())
  const NO_DEVICE: Interference = (effect, work) => (effect.kind === 'ethtool' ? (undefined as never) : work())

  test.each([
    ['does not answer', NO_ANSWER, 'Cannot ask its driver for its device'],
    ['tells no device', NO_DEVICE, 'neither the kernel nor its driver tells the PCI device'],
  ])('ADD refuses a VF whose driver %s', async (_what, interfere, message) => {
    const world = oldMachine()
    const before = snapshot(world)
    expect(messageOf(await call(world, 'ADD', CONF, { interfere }))).toContain(message)
    expect(snapshot(world)).toEqual(before)
  })
})
