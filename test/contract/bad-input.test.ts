import { describe, expect, test } from 'vitest'
import { call, netConf } from '../fakes/call.js'
import { makeMachine } from '../fakes/machine/machine.js'
import { snapshot } from '../fakes/machine/snapshot.js'
import { REFUSED } from '../fixtures/netconf.js'
import { oneDocument } from './skel-cases.js'

const CASES = REFUSED.flatMap(([key, values]) => values.map((value) => ({ key, value })))

async function refusal(conf: object, options: Parameters<typeof call>[3] = {}) {
  const world = makeMachine()
  const before = snapshot(world)
  const { exitCode, stdout } = await call(world, 'ADD', conf, options)
  expect(exitCode).toBe(1)
  expect(snapshot(world)).toEqual(before)
  return oneDocument(stdout)
}

describe('ADD with a bad configuration', () => {
  test.each(CASES)('$key $value: one document, nothing changed', async ({ key, value }) => {
    const top = key.startsWith('cni.dev/') ? key : (key.split('.')[0] ?? '')
    const document = await refusal(netConf({ ...(key.startsWith('vlan') ? { vlan: 5 } : {}), [top]: value }))
    expect(document).toMatchObject({ cniVersion: '1.1.0', code: 7, msg: expect.stringContaining(`${key}: `) })
  })

  test('names every key in one message', async () => {
    const document = await refusal(netConf({ vlan: -1, mtu: 1, trust: 1, deviceID: 'x' }))
    expect(document?.msg).toMatch(/deviceID: .*vlan: .*trust: .*mtu: /)
  })
})

describe('ADD with a bad namespace', () => {
  test.each(['/run/netns/gone', '/proc/sys/kernel/random/boot_id'])('%s: code 8, nothing changed', async (netns) => {
    expect(await refusal(netConf(), { netns })).toMatchObject({ code: 8, msg: expect.stringContaining(netns) })
  })
})

test('ADD with an address that is none in the result of the IPAM plugin changes nothing', async () => {
  const world = makeMachine()
  world.programs.set('/opt/cni/bin/host-local', ({ environment }) => ({
    status: 0,
    stdout: environment.CNI_COMMAND === 'ADD' ? '{"ips":[{"address":"10.0.0.1/24","gateway":"x"}]}' : '',
  }))
  const before = snapshot(world)
  const { exitCode } = await call(world, 'ADD', netConf({ ipam: { type: 'host-local' } }))
  expect(exitCode).toBe(1)
  expect(snapshot(world)).toEqual(before)
})
