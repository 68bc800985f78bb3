import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { makeLink } from '../../fakes/kernel/links.js'
import {
  type Effect,
  everyChange,
  everyRequest,
  killAt,
  recordEffects,
  refuseAt,
} from '../../fakes/machine/interference.js'
import { makeMachine, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { IPAM } from '../../fakes/scenarios.js'

const CONF = netConf({ vlan: 5, mtu: 4000, mac: '02:00:00:00:00:77', ...IPAM })
const SECOND = 'ens1d1'

/** A ConnectX-3: two interfaces behind the VF, that of the second port first by name. */
function connectX3() {
  const world = makeMachine()
  const { links } = world.host
  const first = world.link(world.host, VF_NAME)
  links[links.indexOf(first)] = { ...first, devPort: 0 }
  links.unshift(
    makeLink({
      name: SECOND,
      mac: '02:00:00:00:08:02',
      parentDevice: VF_ADDRESS,
      devPort: 1,
      altNames: ['enp1d1'],
      isUp: true,
    }),
  )
  return world
}

describe('a VF with two interfaces', () => {
  test('gives both to the pod, and both come back', async () => {
    const world = connectX3()
    const before = snapshot(world)
    expect(documentOf(await call(world, 'ADD', CONF))).toMatchObject({
      interfaces: [
        { name: 'net1', mac: '02:00:00:00:00:77', mtu: 4000, sandbox: POD_A },
        { name: 'net1d1', mac: '02:00:00:00:08:02', mtu: 4000, sandbox: POD_A },
      ],
      ips: [{ interface: 0 }, { interface: 0 }],
    })
    expect(messageOf(await call(world, 'CHECK', CONF))).toBe('')
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test.each([
    [0, 'net1', 'net1d1'],
    [500, 'net1', 'net1d1'],
    [0, 'x', 'y'],
    [0, 'net1d1', 'net1'],
  ])('comes back when the pod has died (%i ms), its interfaces called %s and %s', async (cleanupMs, one, two) => {
    const world = connectX3()
    await call(world, 'ADD', CONF)
    const pod = world.netns(POD_A)
    const [first, second] = [world.link(pod, 'net1'), world.link(pod, 'net1d1')]
    Object.assign(first, { name: one })
    Object.assign(second, { name: two })
    world.removeNetns(POD_A, cleanupMs)
    expect(messageOf(await call(world, 'DEL', CONF, { netns: '' }))).toBe('')
    const untouched = connectX3()
    untouched.removeNetns(POD_A)
    expect(snapshot(world)).toEqual(snapshot(untouched))
  })

  test('comes back from a pod that renamed both', async () => {
    const world = connectX3()
    const before = snapshot(world)
    await call(world, 'ADD', CONF)
    const pod = world.netns(POD_A)
    world.link(pod, 'net1').name = 'data0'
    world.link(pod, 'net1d1').name = 'data1'
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('comes back when the pod gave the second the name of the first, and died', async () => {
    const world = connectX3()
    await call(world, 'ADD', CONF)
    world.link(world.netns(POD_A), 'net1d1').name = VF_NAME
    world.removeNetns(POD_A)
    expect(messageOf(await call(world, 'DEL', CONF, { netns: '' }))).toBe('')
    const untouched = connectX3()
    untouched.removeNetns(POD_A)
    expect(snapshot(world)).toEqual(snapshot(untouched))
  })

  test('is refused when the name of the second is taken, or too long', async () => {
    const world = connectX3()
    world.netns(POD_A).links.push(makeLink({ name: 'net1d1' }))
    const before = snapshot(world)
    expect(codeOf(await call(world, 'ADD', CONF))).toBe(103)
    const answer = await call(world, 'ADD', CONF, { ifName: 'fourteen_bytes' })
    expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringContaining('fourteen_bytesd1')])
    expect(snapshot(world)).toEqual(before)
  })

  test('is given back after a refusal at any request and a kill at any change', async () => {
    const requests: Effect[] = []
    const changes: Effect[] = []
    await call(connectX3(), 'ADD', CONF, { interfere: recordEffects(everyRequest, requests) })
    await call(connectX3(), 'ADD', CONF, { interfere: recordEffects(everyChange, changes) })
    const harms = [
      ...requests.map((_, at) => refuseAt(everyRequest, at, 'EIO')),
      ...changes.map((_, at) => killAt(everyChange, at, 'after')),
    ]
    for (const interfere of harms) {
      const world = connectX3()
      const before = snapshot(world)
      await call(world, 'ADD', CONF, { interfere })
      expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
      expect(snapshot(world)).toEqual(before)
    }
  })
})
