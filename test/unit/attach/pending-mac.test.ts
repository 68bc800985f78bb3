import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { ableDriver, igbDriver } from '../../fakes/machine/card.js'
import { makeMachine, POD_A, VF_ADDRESS } from '../../fakes/machine/machine.js'

const PENDING = '02:00:00:00:00:66'

/** The PF was told a MAC, and the VF will take it when it comes up next. */
function machineWithPendingMac(driver = ableDriver) {
  const world = makeMachine(driver)
  const vf = world.vf(VF_ADDRESS)
  vf.hasAdminMac = true
  vf.settings.mac = PENDING
  return world
}

describe.each([ableDriver, igbDriver])('a VF of $name whose PF was told another MAC before the ADD', (driver) => {
  test('ADD reports the MAC that the interface has once it is up', async () => {
    const world = machineWithPendingMac(driver)
    const answer = documentOf(await call(world, 'ADD', netConf()))
    expect(world.link(world.netns(POD_A), 'net1').mac).toBe(PENDING)
    expect(answer).toMatchObject({ interfaces: [{ mac: PENDING }] })
  })

  test.each([{}, { mac: '02:00:00:00:00:77' }])('DEL succeeds after ADD with %j', async (keys) => {
    const world = machineWithPendingMac(driver)
    await call(world, 'ADD', netConf(keys))
    const answer = await call(world, 'DEL', netConf(keys))
    expect(messageOf(answer)).toBe('')
    expect(codeOf(answer)).toBeUndefined()
    expect(world.vf(VF_ADDRESS).settings.mac).toBe(PENDING)
  })
})
