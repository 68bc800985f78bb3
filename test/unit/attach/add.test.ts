import { describe, expect, test } from 'vitest'
import { call, codeOf, documentOf, messageOf, netConf } from '../../fakes/call.js'
import { failingAt, IPAM_RESULT, leaseProgram } from '../../fakes/ipam.js'
import { igbDriver } from '../../fakes/machine/card.js'
import { type Effect, type Interference, recordEffects } from '../../fakes/machine/interference.js'
import { IPAM_PATH, makeMachine, PF, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

async function refused(conf: object, make = makeMachine) {
  const world = make()
  const before = snapshot(world)
  const answer = await call(world, 'ADD', netConf(conf))
  expect(answer.exitCode).toBe(1)
  expect(snapshot(world)).toEqual(before)
  return { code: codeOf(answer), message: messageOf(answer) }
}

const igb = () => makeMachine(igbDriver)

describe('ADD', () => {
  test.each([
    [{ min_tx_rate: 50, max_tx_rate: 100 }, 'min_tx_rate 50', 'EINVAL'],
    [{ link_state: 'enable' }, 'link_state enable', 'EOPNOTSUPP'],
    [{ vlan: 5, vlanProto: '802.1ad' }, 'vlan 5', 'EPROTONOSUPPORT'],
  ])('with %j says which setting, VF, PF, driver and error', async (conf, setting, errno) => {
    const { code, message } = await refused(conf, igb)
    expect(code).toBe(100)
    expect(message).toContain(`VF 2 of ${PF} (driver igb): ${errno}`)
    expect(message).toContain(setting)
  })

  test('with several settings names the one that was refused', async () => {
    const { message } = await refused({ vlan: 5, spoofchk: 'off', link_state: 'enable', trust: 'on' }, igb)
    expect(message).toContain('link_state enable')
    expect(message).not.toContain('vlan')
  })

  test('does not write a link_state that holds already', async () => {
    expect(codeOf(await call(igb(), 'ADD', netConf({ link_state: 'auto', spoofchk: 'on', min_tx_rate: 0 })))).toBe(
      undefined,
    )
  })

  test('gives the interface the address and routes of the IPAM plugin', async () => {
    const world = makeMachine()
    const answer = documentOf(await call(world, 'ADD', netConf(IPAM)))
    expect(answer).toMatchObject({
      ips: IPAM_RESULT.ips.map((ip) => ({ ...ip, interface: 0 })),
      routes: IPAM_RESULT.routes,
      dns: IPAM_RESULT.dns,
    })
    const { addresses, routes } = world.link(world.netns(POD_A), 'net1')
    expect(addresses.map(({ cidrKey }) => cidrKey)).toEqual(['0a380005/24', '20010db8000000000000000000000005/64'])
    expect(routes.map(({ key, hasGateway }) => `${key.split(' ')[0]} ${hasGateway}`)).toEqual([
      'default/0 true',
      'default/0 true',
      '0a630000/16 true',
    ])
  })

  test('announces every address with the MAC of the interface', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf({ ...IPAM, mac: '02:00:00:00:00:77' }))
    expect(world.frames.map(({ bytes }) => bytes.toString('hex', 6, 14)).sort()).toEqual([
      '0200000000770806',
      '02000000007786dd',
    ])
  })

  test('does not announce without a carrier, and succeeds', async () => {
    const world = makeMachine()
    world.link(world.host, VF_NAME).hasCarrier = false
    expect(codeOf(await call(world, 'ADD', netConf(IPAM)))).toBeUndefined()
    expect(world.frames).toEqual([])
  })

  test('hands stdin and environment to the IPAM plugin as they are', async () => {
    const world = makeMachine()
    const starts: unknown[] = []
    world.programs.set(IPAM_PATH, (start, at) => {
      starts.push(start)
      return leaseProgram()(start, at)
    })
    const conf = netConf({ ...IPAM, unknown: [1] })
    await call(world, 'ADD', conf, { environment: { CNI_ARGS: 'IP=10.56.0.5', HOME: '/root' } })
    expect(starts).toMatchObject([
      { stdin: JSON.stringify(conf), environment: { CNI_COMMAND: 'ADD', CNI_ARGS: 'IP=10.56.0.5', HOME: '/root' } },
    ])
  })

  test.each([
    [failingAt('ADD', { code: 11, msg: 'no address left', details: 'pool 1' }), 11, 'no address left'],
    [failingAt('ADD', { msg: 'broken' }), 105, 'broken'],
    [() => ({ status: 139, stdout: '' }), 105, 'exit status 139'],
    [() => ({ status: 0, stdout: 'garbage' }), 105, 'host-local'],
    [() => ({ status: 0, stdout: '{}' }), 105, 'no address'],
    [() => ({ status: 0, stdout: '{"ips":[{"address":"10.0.0.1"}]}' }), 105, '10.0.0.1'],
  ])('is undone when the IPAM plugin fails (%#)', async (program, code, words) => {
    const answer = await refused(IPAM, () => {
      const world = makeMachine()
      world.programs.set(IPAM_PATH, (start, at) =>
        start.environment.CNI_COMMAND === 'DEL' ? leaseProgram()(start, at) : program(start, at),
      )
      return world
    })
    expect(answer).toMatchObject({ code, message: expect.stringContaining(words) })
  })

  test('says where it looked for an IPAM plugin that is not there', async () => {
    const { code, message } = await refused({ ipam: { type: 'nowhere' } })
    expect(code).toBe(105)
    expect(message).toContain('/opt/cni/bin')
  })

  test.each([
    ['host-local', false],
    ['dhcp', true],
  ])('starts %s when the interface is in the pod: %s', async (type, isThere) => {
    const world = makeMachine()
    const seen: boolean[] = []
    world.programs.set(`/opt/cni/bin/${type}`, (start, at) => {
      seen.push(at.netns(POD_A).links.some(({ name, isUp }) => name === 'net1' && isUp))
      return leaseProgram()(start, at)
    })
    expect(messageOf(await call(world, 'ADD', netConf({ ipam: { type } })))).toBe('')
    expect(seen).toEqual([isThere])
  })

  test.each([
    ['whose IPAM plugin cannot be started', / ADD$/],
    ['whose mark cannot be written', new RegExp(`^write .*/pci/${VF_ADDRESS}$`)],
  ])('%s asks the kernel for no change', async (_what, spoilt) => {
    const world = makeMachine()
    const asked: Effect[] = []
    let refusals = 0
    const record = recordEffects(({ kind, isChange }) => kind === 'netlink' && isChange, asked)
    const interfere: Interference = (effect, work, refuse) => {
      if (!spoilt.test(effect.what)) {
        return record(effect, work, refuse)
      }
      refusals += 1
      return refuse('ENOSPC')
    }
    expect(codeOf(await call(world, 'ADD', netConf(IPAM), { interfere }))).toBeDefined()
    expect(refusals).toBe(1)
    expect(asked).toEqual([])
  })

  test('makes one dump of the VFs and one move', async () => {
    const world = makeMachine()
    const effects: Effect[] = []
    await call(world, 'ADD', netConf({ ...ALL_SETTINGS, ...IPAM }), {
      interfere: recordEffects(({ kind }) => kind === 'netlink', effects),
    })
    const debug = world.log.filter((line) => line.startsWith('debug: netlink request'))
    expect(debug.filter((line) => line.includes('"isVfDump":true'))).toHaveLength(1)
    expect(debug.filter((line) => line.includes('"isMove":true'))).toHaveLength(1)
    expect(effects.length).toBe(debug.length)
  })

  test('tries again while the driver is busy', async () => {
    const world = makeMachine()
    let refusals = 3
    const interfere: Interference = ({ what }, work, refuse) => {
      if (what.startsWith('RTM_SETLINK') && refusals > 0) {
        refusals -= 1
        return refuse('EBUSY')
      }
      return work()
    }
    expect(codeOf(await call(world, 'ADD', netConf({ vlan: 5 }), { interfere }))).toBeUndefined()
    expect(world.vf(VF_ADDRESS).settings.vlan).toBe(5)
  })

  test('notes the intent before the first change of the kernel', async () => {
    const effects: Effect[] = []
    await call(makeMachine(), 'ADD', netConf({ ...ALL_SETTINGS, ...IPAM }), {
      interfere: recordEffects(({ isChange }) => isChange, effects),
    })
    const kinds = effects.filter(({ what }) => !what.startsWith('make folder')).map(({ what }) => what)
    expect(kinds.slice(0, 2)).toEqual([
      'create /var/lib/cni/sriov/pod-a-net1',
      `create /var/lib/cni/sriov/.vf-${VF_ADDRESS}`,
    ])
    expect(kinds.at(-1)).toBe('write durably /var/lib/cni/sriov/pod-a-net1')
  })

  test.each([
    [{ mtu: 9001 }, 'mtu'],
    [{ min_tx_rate: 10, max_tx_rate: 5 }, 'min_tx_rate'],
    [{ deviceID: '0000:99:00.0' }, 'deviceID'],
    [{ deviceID: '0000:01:00.0' }, 'is a PF'],
  ])('with %j is refused before anything is changed', async (conf, words) => {
    expect((await refused(conf)).message).toContain(words)
  })

  test('with a rate below the minimum that the VF has is refused', async () => {
    const make = () => {
      const world = makeMachine()
      Object.assign(world.vf(VF_ADDRESS).settings, { minTxRateMbps: 100 })
      return world
    }
    expect((await refused({ max_tx_rate: 50 }, make)).message).toContain('max_tx_rate')
  })

  test('keeps the rate that is not given', async () => {
    const world = makeMachine()
    Object.assign(world.vf(VF_ADDRESS).settings, { minTxRateMbps: 100, maxTxRateMbps: 1000 })
    await call(world, 'ADD', netConf({ max_tx_rate: 500 }))
    expect(world.vf(VF_ADDRESS).settings).toMatchObject({ minTxRateMbps: 100, maxTxRateMbps: 500 })
  })
})
