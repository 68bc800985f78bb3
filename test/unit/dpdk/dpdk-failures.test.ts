import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { failingAt } from '../../fakes/ipam.js'
import type { Interference } from '../../fakes/machine/interference.js'
import { DEVBIND_PATH, IPAM_PATH, makeMachine, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { devbind, giveTo } from '../../fakes/machine/pci-drivers.js'
import type { Program } from '../../fakes/machine/processes.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { IPAM, WANTED_MAC } from '../../fakes/scenarios.js'

const RECORD = '/var/lib/cni/sriov/pod-a-net1'
const DPDK = { dpdk_driver: 'vfio-pci' }
const SETTINGS = { vlan: 100, mac: WANTED_MAC, ...IPAM }
const BY_SYSFS = netConf({ dpdk: DPDK, ...SETTINGS })
const BY_TOOL = netConf({ dpdk: { ...DPDK, dpdk_tool: DEVBIND_PATH }, ...SETTINGS })

function seasoned() {
  const world = makeMachine()
  world.vf(VF_ADDRESS).driverOverride = 'ablevf'
  Object.assign(world.vf(VF_ADDRESS).settings, { vlan: 7 })
  Object.assign(world.link(world.host, VF_NAME), { mtu: 1400, isUp: true })
  return world
}

const unboundBy = (world: FakeWorld): void => {
  giveTo(world, VF_ADDRESS, undefined)
  world.vf(VF_ADDRESS).driverOverride = 'vfio-pci'
}

const refusing: Program = () => ({ status: 1, stdout: '', stderr: "Error: Driver 'vfio-pci'\nis not loaded.\n" })
const lying: Program = () => ({ status: 0, stdout: 'bound\n' })
const killedHalfWay: Program = (_start, world) => {
  unboundBy(world)
  return { status: 137, stdout: '' }
}

describe('an ADD that cannot bind is undone entirely', () => {
  test('when the driver does not take the VF', async () => {
    const world = seasoned()
    world.pciDrivers.set('vfio-pci', { makesNetdev: false, refuses: true })
    const before = snapshot(world)
    const answer = await call(world, 'ADD', BY_SYSFS)
    expect(codeOf(answer)).toBe(101)
    expect(messageOf(answer)).toMatch(/VF 2 of ens1f0 \(0000:01:10\.4\).*vfio-pci does not take it.*no driver now/)
    expect(snapshot(world)).toEqual(before)
  })

  test.each([
    [
      'says why',
      refusing,
      `${DEVBIND_PATH} -b vfio-pci ${VF_ADDRESS}: exit status 1: Error: Driver 'vfio-pci'; is not`,
    ],
    ['says it had', lying, 'exit status 0: bound; it is bound to ablevf now'],
    ['was killed half-way', killedHalfWay, 'exit status 137; it is bound to no driver now'],
  ])('when the tool fails and %s', async (_how, tool, message) => {
    const world = seasoned()
    world.programs.set(DEVBIND_PATH, (start, at) => (start.args[1] === 'vfio-pci' ? tool : devbind)(start, at))
    const before = snapshot(world)
    const answer = await call(world, 'ADD', BY_TOOL)
    expect(codeOf(answer)).toBe(101)
    expect(messageOf(answer)).toContain(message)
    expect(snapshot(world)).toEqual(before)
  })

  test.each([
    ['sysfs', BY_SYSFS],
    ['its tool', BY_TOOL],
  ])('when IPAM fails beside a binding by %s', async (_how, conf) => {
    const world = seasoned()
    world.programs.set(IPAM_PATH, failingAt('ADD', { code: 105, msg: 'no address' }))
    const before = snapshot(world)
    expect(messageOf(await call(world, 'ADD', conf))).toContain('no address')
    expect(snapshot(world)).toEqual(before)
  })

  test.each(['driver_override', 'driver/unbind', 'drivers_probe'])(
    'when the kernel refuses a write to %s',
    async (at) => {
      const world = seasoned()
      const before = snapshot(world)
      let isDone = false
      const interfere: Interference = (effect, work, refuse) => {
        if (!isDone && effect.what.startsWith('write attribute') && effect.what.endsWith(at)) {
          isDone = true
          return refuse('EBUSY')
        }
        return work()
      }
      const answer = await call(world, 'ADD', BY_SYSFS, { interfere })
      expect(messageOf(answer)).toMatch(new RegExp(`vfio-pci.*${at}.*EBUSY`))
      expect(snapshot(world)).toEqual(before)
    },
  )
})

async function attached(conf: object) {
  const world = seasoned()
  const before = snapshot(world)
  expect(messageOf(await call(world, 'ADD', conf))).toBe('')
  return { world, before }
}

describe('a DEL whose tool', () => {
  test.each<[string, Program | undefined]>([
    ['is gone', undefined],
    ['fails', refusing],
    ['says it had', lying],
    [
      'was killed half-way',
      (_start, world) => {
        unboundBy(world)
        return { status: 137, stdout: '' }
      },
    ],
  ])('%s goes through sysfs', async (_how, tool) => {
    const { world, before } = await attached(BY_TOOL)
    world.programs.delete(DEVBIND_PATH)
    if (tool) {
      world.programs.set(DEVBIND_PATH, tool)
    }
    expect(messageOf(await call(world, 'DEL', BY_TOOL))).toBe('')
    expect(world.log.join('\n')).toMatch(/warning: dpdk_tool did not bind the VF back/)
    expect(snapshot(world)).toEqual(before)
  })
})

describe('a DEL that cannot bind back', () => {
  test.each([
    ['sysfs', BY_SYSFS],
    ['its tool', BY_TOOL],
  ])(
    'by %s names the driver that is missing, keeps record and settings, and succeeds once it is loaded',
    async (_how, conf) => {
      const { world, before } = await attached(conf)
      world.pciDrivers.delete('ablevf')
      for (const _time of [1, 2]) {
        const answer = await call(world, 'DEL', conf)
        expect(codeOf(answer)).toBe(109)
        expect(messageOf(answer)).toMatch(/VF 2 of ens1f0 \(0000:01:10\.4\).*ablevf/)
        expect(world.files.has(RECORD)).toBe(true)
        expect(world.vf(VF_ADDRESS).settings).toMatchObject({ vlan: 100, mac: WANTED_MAC })
      }
      world.pciDrivers.set('ablevf', { makesNetdev: true })
      expect(messageOf(await call(world, 'DEL', conf))).toBe('')
      expect(snapshot(world)).toEqual(before)
    },
  )

  test('says when the driver makes no interface', async () => {
    const { world } = await attached(BY_SYSFS)
    world.pciDrivers.set('ablevf', { makesNetdev: false })
    const answer = await call(world, 'DEL', BY_SYSFS)
    expect(messageOf(answer)).toMatch(/bound to ablevf again.*no network interface within 20 s/)
    expect(world.files.has(RECORD)).toBe(true)
  })
})

/** A process of the pod has the VF open. */
function open(world: FakeWorld, path: string): () => void {
  world.openFunctions.add(VF_ADDRESS)
  world.symlinks.set('/proc/4711/fd/9', path)
  world.files.set('/proc/4711/comm', 'dpdk-testpmd\n')
  return () => {
    world.openFunctions.delete(VF_ADDRESS)
    world.symlinks.delete('/proc/4711/fd/9')
    world.files.delete('/proc/4711/comm')
  }
}

describe.each([
  ['its IOMMU group', '/dev/vfio/22'],
  ['its group without an IOMMU', '/dev/vfio/noiommu-22'],
  ['its vfio device', '/dev/vfio/devices/vfio5'],
  ['its uio', '/dev/uio3'],
])('a process that has a VF open by %s', (_how, path) => {
  async function used() {
    const { world, before } = await attached(BY_SYSFS)
    world.folders
      .add(`/sys/bus/pci/devices/${VF_ADDRESS}/vfio-dev/vfio5`)
      .add(`/sys/bus/pci/devices/${VF_ADDRESS}/uio/uio3`)
    return { world, before, end: open(world, path) }
  }

  test('is named by DEL, which keeps everything; the next DEL succeeds', async () => {
    const { world, before, end } = await used()
    const answer = await call(world, 'DEL', BY_SYSFS)
    expect(codeOf(answer)).toBe(109)
    expect(messageOf(answer)).toContain('process 4711 (dpdk-testpmd)')
    expect(world.files.has(RECORD)).toBe(true)
    expect(world.vf(VF_ADDRESS)).toMatchObject({ driver: 'vfio-pci', settings: { vlan: 100, mac: WANTED_MAC } })
    // The program still sends with its address.
    expect([...world.leases.keys()]).toEqual(['pod-a net1'])
    end()
    expect(messageOf(await call(world, 'DEL', BY_SYSFS))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('is waited for as long as a killed process takes', async () => {
    const { world, before, end } = await used()
    world.clock.after(2_000, end)
    expect(messageOf(await call(world, 'DEL', BY_SYSFS))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps the VF from other pods though the path of its namespace is gone', async () => {
    const { world, end } = await used()
    world.removeNetns(POD_A)
    world.addNetns('/run/netns/pod-c')
    const asC = { containerId: 'pod-c', netns: '/run/netns/pod-c' }
    expect(codeOf(await call(world, 'ADD', BY_SYSFS, asC))).toBe(102)
    end()
    expect(messageOf(await call(world, 'ADD', BY_SYSFS, asC))).toBe('')
  })
})
