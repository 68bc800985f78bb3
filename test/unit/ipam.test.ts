import { describe, expect, test } from 'vitest'
import { findIpamPlugin, ipamCall, ipamCheck, ipamDel, recordedCall, startIpamAdd } from '../../src/ipam.js'
import type { CallHost } from '../../src/state/folder.js'
import { callHostAs } from '../fakes/call.js'
import { failingAt, IPAM_RESULT, leaseProgram } from '../fakes/ipam.js'
import { IPAM_PATH, makeMachine } from '../fakes/machine/machine.js'
import type { FakeWorld } from '../fakes/machine/world.js'

const ENVIRONMENT = { CNI_PATH: '/nowhere::/opt/cni/bin', CNI_CONTAINERID: 'a', CNI_IFNAME: 'net1', HOME: '/root' }
const callHostOf = (world: FakeWorld): CallHost => callHostAs(world, ENVIRONMENT)
const CALL = ipamCall('host-local', '{"x": 1}', ENVIRONMENT)

test('findIpamPlugin() takes the first folder that has it', () => {
  const world = makeMachine()
  expect(findIpamPlugin(callHostOf(world), CALL)).toBe(IPAM_PATH)
  world.programs.set('/nowhere/host-local', leaseProgram())
  expect(findIpamPlugin(callHostOf(world), CALL)).toBe('/nowhere/host-local')
})

test('findIpamPlugin() looks in the folders of the policy, too, and never where only a record says', () => {
  const world = makeMachine()
  const host = callHostAs(world, { ...ENVIRONMENT, CNI_PATH: '/nowhere' })
  world.programs.set('/tmp/evil/host-local', leaseProgram())
  const recorded = { ...CALL, environment: { ...CALL.environment, CNI_PATH: '/tmp/evil' } }
  expect(findIpamPlugin(host, recorded)).toBe(IPAM_PATH)
  expect(() => findIpamPlugin(host, { ...recorded, type: '../../tmp/evil/host-local' })).toThrow('is no name')
})

test('recordedCall() keeps the parameters of CNI only', () => {
  expect(Object.keys(recordedCall(CALL).environment)).toEqual(['CNI_PATH', 'CNI_CONTAINERID', 'CNI_IFNAME'])
})

describe('startIpamAdd()', () => {
  test('gives the result of the plugin', async () => {
    const world = makeMachine()
    const result = await startIpamAdd(callHostOf(world), CALL).result()
    expect(result.ips).toEqual(IPAM_RESULT.ips)
    expect([...world.leases]).toEqual([['a net1', '{"x": 1}']])
  })

  test('gives the same result when it is asked twice', async () => {
    const pending = startIpamAdd(callHostOf(makeMachine()), CALL)
    expect(await pending.result()).toEqual(await pending.result())
  })
})

test('ipamDel() passes on the error of the plugin', async () => {
  const world = makeMachine()
  world.programs.set(IPAM_PATH, failingAt('DEL', { code: 150, msg: 'locked', details: 'by x' }))
  await expect(ipamDel(callHostOf(world), CALL)).rejects.toMatchObject({
    fault: { kind: 'ipam', plugin: 'host-local', code: 150, message: 'locked', details: 'by x' },
  })
})

test('ipamCheck() fails when the lease is gone', async () => {
  await expect(ipamCheck(callHostOf(makeMachine()), CALL)).rejects.toThrow('has no lease')
})
