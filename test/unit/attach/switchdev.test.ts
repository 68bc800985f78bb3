import { describe, expect, test } from 'vitest'
import { call, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { makeLink } from '../../fakes/kernel/links.js'
import { type Effect, everyRequest, recordEffects, refuseAt } from '../../fakes/machine/interference.js'
import { makeMachine, PF, PF_ADDRESS, POD_A, VF_INDEX } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { IPAM } from '../../fakes/scenarios.js'

const CONF = netConf({ vlan: 5, mtu: 4000, ...IPAM })
const SWITCH_ID = '0c42a1ff\n'
const REPRESENTOR = 'eth7'

function port(world: FakeWorld, name: string, portName: string, switchId = SWITCH_ID) {
  for (const folder of [`/sys/class/net/${name}`, `/sys/bus/pci/devices/${PF_ADDRESS}/net/${name}`]) {
    world.files.set(`${folder}/phys_port_name`, `${portName}\n`)
    world.files.set(`${folder}/phys_switch_id`, switchId)
  }
}

/** The PF's representors stand beside it, and before it by name. */
function inSwitchdevMode(nameOfPort: (index: number) => string): FakeWorld {
  const world = makeMachine()
  world.host.links.unshift(
    ...[0, 1, VF_INDEX].map((index) =>
      makeLink({
        name: index === VF_INDEX ? REPRESENTOR : `eth${index}`,
        mac: `02:00:00:00:07:0${index}`,
        parentDevice: PF_ADDRESS,
      }),
    ),
  )
  port(world, PF, 'p0')
  for (const index of [0, 1, VF_INDEX]) {
    port(world, index === VF_INDEX ? REPRESENTOR : `eth${index}`, nameOfPort(index))
  }
  return world
}

const NAMINGS: readonly (readonly [string, (index: number) => string])[] = [
  ['pf0vf2', (index) => `pf0vf${index}`],
  ['c1pf0vf2', (index) => `c1pf0vf${index}`],
  ['2', String],
]

describe.each(NAMINGS)('a VF whose representor is the port %s', (_name, nameOfPort) => {
  test('has it up, with its MTU, and in the result; DEL gives both back', async () => {
    const world = inSwitchdevMode(nameOfPort)
    const before = snapshot(world)
    const answer = await call(world, 'ADD', CONF)
    expect(documentOf(answer)).toMatchObject({
      interfaces: [
        { name: 'net1', mtu: 4000, sandbox: POD_A },
        { name: REPRESENTOR, mtu: 4000, mac: '02:00:00:00:07:02' },
      ],
      ips: [{ interface: 0 }, { interface: 0 }],
    })
    expect(world.link(world.host, REPRESENTOR)).toMatchObject({ isUp: true, mtu: 4000 })
    expect(world.link(world.host, 'eth0')).toMatchObject({ isUp: false, mtu: 1500 })
    expect(messageOf(await call(world, 'CHECK', CONF))).toBe('')
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })
})

test('a refusal at any request leaves the representor as it was', async () => {
  const nameOfPort = NAMINGS[0]?.[1] ?? String
  const effects: Effect[] = []
  await call(inSwitchdevMode(nameOfPort), 'ADD', CONF, { interfere: recordEffects(everyRequest, effects) })
  for (let at = 0; at < effects.length; at += 1) {
    const world = inSwitchdevMode(nameOfPort)
    const before = snapshot(world)
    await call(world, 'ADD', CONF, { interfere: refuseAt(everyRequest, at, 'EIO') })
    await call(world, 'DEL', CONF)
    expect(snapshot(world), effects[at]?.what).toEqual(before)
  }
})

test('a representor that has gone meanwhile does not keep the VF', async () => {
  const world = inSwitchdevMode(NAMINGS[0]?.[1] ?? String)
  await call(world, 'ADD', CONF)
  world.host.links.splice(world.host.links.indexOf(world.link(world.host, REPRESENTOR)), 1)
  expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
})

test('another interface that has the name of a representor by now stays as it is', async () => {
  const world = inSwitchdevMode(NAMINGS[0]?.[1] ?? String)
  await call(world, 'ADD', CONF)
  const own = world.link(world.host, REPRESENTOR)
  own.name = 'eth9'
  for (const path of [...world.files.keys()].filter((one) => one.includes(`/net/${REPRESENTOR}/`))) {
    world.files.set(path.replace(`/net/${REPRESENTOR}/`, '/net/eth9/'), world.files.get(path) ?? '')
    world.files.delete(path)
  }
  world.host.links.push(makeLink({ name: REPRESENTOR, mac: '02:00:00:00:09:09', isUp: true, mtu: 9000 }))
  expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
  expect(world.link(world.host, REPRESENTOR)).toMatchObject({ isUp: true, mtu: 9000 })
  expect(own).toMatchObject({ isUp: false, mtu: 1500 })
})

test('a card that is not in switchdev mode has none', async () => {
  const answer = documentOf(await call(makeMachine(), 'ADD', CONF))
  expect(answer?.interfaces).toHaveLength(1)
})

test('a whole PF comes back, and its representors on the host are left alone', async () => {
  const world = inSwitchdevMode((index) => `pf0vf${index}`)
  const before = snapshot(world)
  const conf = netConf({ deviceID: undefined, master: PF, pfOnly: true })
  expect(messageOf(await call(world, 'ADD', conf))).toBe('')
  expect(world.link(world.netns(POD_A), 'net1').parentDevice).toBe(PF_ADDRESS)
  expect(messageOf(await call(world, 'DEL', conf))).toBe('')
  expect(snapshot(world)).toEqual(before)
})
