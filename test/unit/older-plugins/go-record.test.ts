import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { leaseProgram } from '../../fakes/ipam.js'
import { type Effect, everyChange, killAt, recordEffects, refuseAt } from '../../fakes/machine/interference.js'
import { IPAM_PATH, makeMachine, POD_A, POD_B, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { IPAM } from '../../fakes/scenarios.js'

const STATE = '/var/lib/cni/sriov'
const RECORD = `${STATE}/pod-a-net1`
const MARK = `${STATE}/pci/${VF_ADDRESS}`
const AS_B = { containerId: 'pod-b', netns: POD_B }
const CONF = netConf(IPAM)
const known = (...names: string[]) => ({
  ...CONF,
  'cni.dev/valid-attachments': names.map((containerID) => ({ containerID, ifname: 'net1' })),
})

const recordOf = (version: string) =>
  readFileSync(new URL(`../../fixtures/go-records/${version}.json`, import.meta.url), 'utf8')

/** What the Go plugin did to the VF before it wrote that record. */
const CHANGES: Readonly<Record<string, { readonly vf: object; readonly netdev: object }>> = {
  '2.8-mac-vlan': {
    vf: {
      mac: '02:00:00:00:00:77',
      vlan: 100,
      vlanQoS: 3,
      vlanProto: '802.1ad',
      minTxRateMbps: 10,
      maxTxRateMbps: 200,
      spoofchk: false,
      trust: true,
      linkState: 'enable',
    },
    netdev: { mac: '02:00:00:00:00:77' },
  },
  '2.2-vlan': { vf: { spoofchk: false }, netdev: {} },
}
const VERSIONS = Object.keys(CHANGES)

/** A node on which the Go plugin has given a VF to pod A. */
function taken(version: string) {
  const world = makeMachine()
  const before = snapshot(world)
  const link = world.link(world.host, VF_NAME)
  const vf = world.vf(VF_ADDRESS)
  Object.assign(vf.settings, CHANGES[version]?.vf)
  vf.hasAdminMac = vf.settings.mac !== '00:00:00:00:00:00'
  world.host.links.splice(world.host.links.indexOf(link), 1)
  world.netns(POD_A).links.push(Object.assign(link, { name: 'net1', isUp: true, ...CHANGES[version]?.netdev }))
  world.folders.add(STATE).add(`${STATE}/pci`)
  world.files.set(RECORD, recordOf(version))
  world.files.set(MARK, POD_A)
  world.leases.set('pod-a net1', JSON.stringify({ name: 'sriov-net' }))
  return { world, before }
}

/** As a host-local of CNI 1.0.0 reads it. */
const isUnderstood = (conf: { cniVersion: string; ipam: { subnet?: string } }): boolean =>
  conf.ipam.subnet === IPAM.ipam.subnet && conf.cniVersion !== '1.1.0'

describe.each(VERSIONS)('an attachment of the Go sriov-cni %s', (version) => {
  test('is given back by DEL', async () => {
    const { world, before } = taken(version)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('is given back by the next DEL, wherever the first was killed', async () => {
    const effects: Effect[] = []
    await call(taken(version).world, 'DEL', CONF, { interfere: recordEffects(everyChange, effects) })
    expect(effects.length).toBeGreaterThan(5)
    for (const [at, { what }] of effects.entries()) {
      for (const when of ['before', 'after'] as const) {
        const { world, before } = taken(version)
        await call(world, 'DEL', CONF, { interfere: killAt(everyChange, at, when) })
        expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
        expect(snapshot(world), `killed ${when} ${what}`).toEqual(before)
      }
    }
  })

  test('is given back by the next DEL, whatever was refused to the first', async () => {
    const effects: Effect[] = []
    await call(taken(version).world, 'DEL', CONF, { interfere: recordEffects(everyChange, effects) })
    for (const [at, { what }] of effects.entries()) {
      // Two at once: a note that fails, and something that cannot be given back.
      for (const times of [1, 2, effects.length]) {
        const { world, before } = taken(version)
        await call(world, 'DEL', CONF, { interfere: refuseAt(everyChange, at, 'EIO', times) })
        expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
        expect(snapshot(world), `refused ${what}, ${times} times`).toEqual(before)
      }
    }
  })

  test('is given back by DEL when the pod has died', async () => {
    const { world } = taken(version)
    world.removeNetns(POD_A)
    expect(messageOf(await call(world, 'DEL', CONF, { netns: '' }))).toBe('')
    const untouched = makeMachine()
    untouched.removeNetns(POD_A)
    expect(snapshot(world)).toEqual(snapshot(untouched))
  })

  test('is found by the path of the call when there is no mark', async () => {
    const { world, before } = taken(version)
    world.files.delete(MARK)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps its VF from other pods while its own is alive', async () => {
    const { world } = taken(version)
    const full = snapshot(world)
    const answer = await call(world, 'ADD', CONF, AS_B)
    expect([codeOf(answer), messageOf(answer)]).toEqual([102, expect.stringContaining('container pod-a')])
    expect(snapshot(world)).toEqual(full)
  })

  test('gives its VF to the next pod when its own is dead', async () => {
    const { world } = taken(version)
    world.removeNetns(POD_A)
    expect(messageOf(await call(world, 'ADD', CONF, AS_B))).toBe('')
    expect(messageOf(await call(world, 'DEL', CONF, AS_B))).toBe('')
    const untouched = makeMachine()
    untouched.removeNetns(POD_A)
    expect(snapshot(world)).toEqual(snapshot(untouched))
  })

  test('is left alone by GC while the runtime knows it, and given back when it does not', async () => {
    const { world, before } = taken(version)
    const full = snapshot(world)
    expect(messageOf(await call(world, 'GC', known('pod-a')))).toBe('')
    expect(snapshot(world)).toEqual(full)
    expect(messageOf(await call(world, 'GC', known()))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('has its lease freed by GC with the configuration of this call: the record has the type of IPAM only', async () => {
    const { world, before } = taken(version)
    world.programs.set(IPAM_PATH, (start, at) =>
      start.environment.CNI_COMMAND === 'DEL' && !isUnderstood(JSON.parse(start.stdin))
        ? { status: 1, stdout: JSON.stringify({ code: 100, msg: 'no IP ranges specified' }) }
        : leaseProgram()(start, at),
    )
    expect(messageOf(await call(world, 'GC', known()))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('is checked against the result that the runtime has', async () => {
    const { world } = taken(version)
    const prevResult = { cniVersion: '1.1.0', interfaces: [{ name: 'net1', sandbox: POD_A }], ips: [] }
    expect(messageOf(await call(world, 'CHECK', { ...CONF, prevResult }))).toBe('')
    world.link(world.netns(POD_A), 'net1').isUp = false
    expect(messageOf(await call(world, 'CHECK', { ...CONF, prevResult }))).toContain('net1 is down')
  })
})

test('a record of intel 0.x for DPDK is kept, and says what it is', async () => {
  const world = makeMachine()
  world.folders.add(STATE)
  world.files.set(RECORD, JSON.stringify({ pci_addr: VF_ADDRESS, ifname: 'net1', kernel_driver: 'igbvf', vfid: 2 }))
  expect(codeOf(await call(world, 'DEL', CONF))).toBe(106)
  expect(world.files.has(RECORD)).toBe(true)
})

test('an attachment in DPDK mode is checked and given back without an interface', async () => {
  const world = makeMachine()
  giveTo(world, VF_ADDRESS, 'vfio-pci')
  const before = snapshot(world)
  const record = JSON.parse(recordOf('2.8-mac-vlan')) as { OrigVfState: object }
  const { mac: _mac, ...settings } = (CHANGES['2.8-mac-vlan']?.vf ?? {}) as Record<string, unknown>
  Object.assign(world.vf(VF_ADDRESS).settings, settings, { mac: '02:00:00:00:00:77' })
  world.vf(VF_ADDRESS).hasAdminMac = true
  world.folders.add(STATE).add(`${STATE}/pci`)
  world.files.set(RECORD, JSON.stringify({ ...record, OrigVfState: { ...record.OrigVfState, HostIFName: '' } }))
  world.files.set(MARK, POD_A)
  world.leases.set('pod-a net1', JSON.stringify({ name: 'sriov-net' }))
  const conf = netConf(IPAM)
  expect(messageOf(await call(world, 'CHECK', conf))).toBe('')
  expect(messageOf(await call(world, 'DEL', conf))).toBe('')
  expect(snapshot(world)).toEqual(before)
})
