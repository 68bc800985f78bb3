import { expect, test } from 'vitest'
import { ZERO_MAC } from '../../../src/netlink/mac.js'
import { call, messageOf, netConf } from '../../fakes/call.js'
import { ableDriver, lateDriver } from '../../fakes/machine/card.js'
import { makeMachine, OWN_MAC, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { WANTED_MAC } from '../../fakes/scenarios.js'

const CONF = netConf({ mac: WANTED_MAC, vlan: 5 })

/** A VF whose PF has always administered its MAC: its driver takes it over 300 ms after the PF was told. */
function machine(driver = lateDriver) {
  const world = makeMachine(driver)
  const vf = world.vf(VF_ADDRESS)
  vf.hasAdminMac = true
  vf.settings.mac = OWN_MAC
  return world
}

test('ADD waits for a MAC that the driver takes over late, and DEL for the old one', async () => {
  const world = machine()
  const before = snapshot(world)
  expect(messageOf(await call(world, 'ADD', CONF))).toBe('')
  expect(world.link(world.netns(POD_A), 'net1').mac).toBe(WANTED_MAC)
  expect(messageOf(await call(world, 'CHECK', CONF))).toBe('')
  expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
  await world.clock.sleep(1_000)
  expect(world.link(world.host, VF_NAME).mac).toBe(OWN_MAC)
  expect(snapshot(world)).toEqual(before)
})

test('ADD says which MAC never came, after two seconds, and is undone', async () => {
  const world = machine({ ...lateDriver, lateMacMs: 100_000 })
  const before = snapshot(world)
  const answer = await call(world, 'ADD', CONF)
  expect(messageOf(answer)).toContain(`set mac ${WANTED_MAC}`)
  expect(messageOf(answer)).toContain(`it still has ${OWN_MAC}`)
  expect(world.clock.nowMs()).toBeLessThan(10_000)
  expect(snapshot(world)).toEqual(before)
})

test('a PF that takes no zero MAC goes on to administer one, and the VF is back all the same', async () => {
  const world = makeMachine({ ...ableDriver, refuse: ({ mac }) => (mac === ZERO_MAC ? 'EINVAL' : undefined) })
  const before = snapshot(world)
  expect(messageOf(await call(world, 'ADD', CONF))).toBe('')
  expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
  expect(snapshot(world).namespaces).toEqual(before.namespaces)
  expect(snapshot(world).files).toEqual(before.files)
  expect(world.log.join('\n')).toContain('the PF keeps administering a MAC')
})
