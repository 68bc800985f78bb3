import { beforeEach, describe, expect, test } from 'vitest'
import { PFS_FILE } from '../../../src/operator/pf/pfs-schema.js'
import { call, netConf } from '../../fakes/call.js'
import { makeMachine, PF, PF_ADDRESS, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { jsonOf, sriovctl } from './operator.js'

let world: FakeWorld

const write = (...pfs: object[]) => void world.files.set(PFS_FILE, JSON.stringify({ pfs }))
const apply = (...more: string[]) => sriovctl(world, ['pf', 'apply', ...more])
const count = () => world.cards[0]?.vfs.length

/** As after a boot: the PF is down and has no VFs. */
async function boot(): Promise<void> {
  write({ pf: PF, numVfs: 0, up: false })
  expect((await apply()).exitCode).toBe(0)
}

beforeEach(() => {
  world = makeMachine()
})

describe('pf apply', () => {
  test('makes the VFs and the settings of a PF after a boot, and changes nothing the next time', async () => {
    await boot()
    write({ pf: PF, numVfs: 4, mtu: 9000, up: true })
    expect(await apply()).toEqual({
      exitCode: 0,
      text: 'ens1f0: set mtu 9000; bring ens1f0 up; set sriov_numvfs 4 (was 0)\n',
    })
    expect([count(), world.link(world.host, PF).isUp, world.link(world.host, PF).mtu]).toEqual([4, true, 9000])
    const now = snapshot(world)
    expect(await apply()).toEqual({ exitCode: 0, text: 'ens1f0: is as it should be\n' })
    expect(snapshot(world)).toEqual(now)
  })

  test('--dry-run tells what it would do', async () => {
    write({ pf: PF_ADDRESS, numVfs: 2, up: false })
    const before = snapshot(world)
    expect(await apply('--dry-run')).toEqual({
      exitCode: 0,
      text: '0000:01:00.0: would take 0000:01:00.0 down; would set sriov_numvfs 2 (was 4)\n',
    })
    expect(snapshot(world)).toEqual(before)
  })

  test('takes VFs away that nobody has, to make fewer', async () => {
    write({ pf: PF, numVfs: 2 })
    expect(jsonOf(await apply('--json'))).toEqual({
      pfs: [{ pf: PF, done: ['set sriov_numvfs 2 (was 4)'], problem: null }],
    })
    expect(count()).toBe(2)
  })

  test('never takes a VF away that a pod has; what is wanted beside is done', async () => {
    await call(world, 'ADD', netConf({ vlan: 100 }))
    write({ pf: PF, numVfs: 2, mtu: 9000 })
    const dry = await apply('--dry-run')
    expect([dry.exitCode, dry.text]).toEqual([1, expect.stringContaining('would set mtu 9000; it has 4 VFs, not 2')])
    const { exitCode, text } = await apply()
    expect(exitCode).toBe(1)
    expect(text).toMatch(
      /^ens1f0: set mtu 9000; it has 4 VFs, not 2; the kernel changes that by taking all away, and these are in use: 0000:01:10\.4 \(in-use\)\n$/,
    )
    expect(count()).toBe(4)
    expect(world.locks.size).toBe(0)
  })

  /** kubelet has given the VF to a pod; it does not write that down when the pod ends. */
  function givenByKubelet(): void {
    const entry = { PodUID: 'u', ContainerName: 'c', ResourceName: 'a/b', DeviceIDs: { '0': [VF_ADDRESS] } }
    const data = { PodDeviceEntries: [entry], RegisteredDevices: { 'a/b': [VF_ADDRESS] } }
    world.folders.add('/var/lib/kubelet/device-plugins')
    world.files.set(
      '/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint',
      JSON.stringify({ Data: data, Checksum: 0 }),
    )
  }

  test('takes a VF away whose pod is gone, although kubelet’s checkpoint and an old promise still name it', async () => {
    givenByKubelet()
    world.files.set(`/var/lib/cni/sriov/.promises/${VF_ADDRESS}`, '{"resource":"a/b","since":"2025-01-01T00:00:00Z"}')
    world.folders.add('/var/lib/kubelet/pods/another')
    write({ pf: PF, numVfs: 0 })
    expect((await apply()).exitCode).toBe(0)
    expect(count()).toBe(0)
  })

  test('takes the file of the cluster where the administrator has none', async () => {
    await boot()
    world.files.delete(PFS_FILE)
    world.files.set('/var/lib/sriov-cni/pfs.json', JSON.stringify({ pfs: [{ pf: PF, numVfs: 2 }] }))
    expect((await sriovctl(world, ['pf', 'apply'])).exitCode).toBe(0)
    expect(count()).toBe(2)
    write({ pf: PF, numVfs: 1 })
    expect((await sriovctl(world, ['pf', 'apply'])).exitCode).toBe(0)
    expect(count()).toBe(1)
  })

  test('makes no VFs of a PF that a pod has as a whole', async () => {
    await boot()
    const { deviceID: _named, ...conf } = netConf({ master: PF, pfOnly: true }) as Record<string, unknown>
    expect((await call(world, 'ADD', conf)).exitCode).toBe(0)
    write({ pf: PF_ADDRESS, numVfs: 3 })
    expect(await apply()).toMatchObject({ exitCode: 1, text: expect.stringContaining('a pod has the PF as a whole') })
    expect(count()).toBe(0)
  })

  test('takes no VF away while a policy that cannot be used may say where kubelet is', async () => {
    world.files.set('/etc/sriov-cni/policy.json', '{')
    write({ pf: PF, numVfs: 0 })
    expect(await apply()).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('the policy says where kubelet is'),
    })
    expect(count()).toBe(4)
  })

  test.each([
    [
      'is promised to a pod',
      () =>
        world.files.set(
          `/var/lib/cni/sriov/.promises/${VF_ADDRESS}`,
          '{"resource":"a/b","since":"2026-01-01T00:00:00Z"}',
        ),
    ],
    [
      'has an address of the host',
      () =>
        world
          .link(world.host, 'ens1f0v1')
          .addresses.push({ cidrKey: 'x', family: 2, bytes: Buffer.of(192, 0, 2, 1), prefixLength: 24, flags: 0 }),
    ],
    ['kubelet has given to a pod, by whatever device plugin', givenByKubelet],
    [
      'is unfinished',
      async () => {
        await call(world, 'ADD', netConf())
        for (const [path, text] of world.files) {
          world.files.set(path, text.replaceAll('"phase":"attached"', '"phase":"releasing"'))
        }
      },
    ],
  ])('nor one that %s', async (_, arrange) => {
    await arrange()
    write({ pf: PF, numVfs: 0 })
    expect((await apply()).exitCode).toBe(1)
    expect(count()).toBe(4)
  })

  test('does not bind the VFs where the file says so', async () => {
    await boot()
    write({ pf: PF, numVfs: 3, autoprobe: false })
    expect((await apply()).text).toBe('ens1f0: set sriov_drivers_autoprobe 0; set sriov_numvfs 3 (was 0)\n')
    expect(world.cards[0]?.vfs.map(({ driver }) => driver)).toEqual([undefined, undefined, undefined])
  })

  test.each([
    ['there is no such device', { pf: 'ens9f9', numVfs: 1 }],
    ['there is no such device', { pf: '0000:99:00.0', numVfs: 1 }],
    ['can have no VFs', { pf: VF_ADDRESS, numVfs: 1 }],
  ])('%s: %j, and other PFs are done', async (problem, wanted) => {
    write(wanted, { pf: PF, mtu: 4000 })
    const { exitCode, text } = await apply()
    expect(exitCode).toBe(1)
    expect(text).toContain(problem)
    expect(world.link(world.host, PF).mtu).toBe(4000)
  })

  test('more VFs than the card has are refused; the rest is done', async () => {
    write({ pf: PF, numVfs: 9, mtu: 4000 })
    expect(await apply()).toEqual({
      exitCode: 1,
      text: 'ens1f0: set mtu 4000; numVfs: 9 is more than the 4 VFs that 0000:01:00.0 can have (sriov_totalvfs)\n',
    })
    expect(count()).toBe(4)
  })

  test('a setting that is refused does not keep a PF from its VFs', async () => {
    await boot()
    write({ pf: PF, numVfs: 4, mtu: 9_999_999 })
    const { exitCode, text } = await apply()
    expect(exitCode).toBe(1)
    expect(text).toMatch(/^ens1f0: set sriov_numvfs 4 \(was 0\); Cannot set mtu 9999999/)
    expect(count()).toBe(4)
  })

  test('a PF that does not take the new number has its VFs of before', async () => {
    const card = world.cards[0]
    write({ pf: PF, numVfs: 2 })
    if (card) {
      card.refusesCount = 2
    }
    const { exitCode, text } = await apply()
    expect([exitCode, text]).toEqual([1, expect.stringContaining('ENOSPC; it has its 4 VFs again')])
    expect(count()).toBe(4)
  })

  test('a PF that is there by name and by address is done once', async () => {
    write({ pf: PF, numVfs: 3 }, { pf: PF_ADDRESS, numVfs: 2 })
    expect(await apply()).toEqual({
      exitCode: 1,
      text: 'ens1f0: set sriov_numvfs 3 (was 4)\n0000:01:00.0: it is in the file already\n',
    })
  })

  test.each([
    [/is not there$/, undefined],
    [/is not JSON/, '{'],
    [/pfs: must be a list of PFs/, '{}'],
    [/pfs\.0: count: is not known/, '{"pfs":[{"pf":"ens1f0","count":3}]}'],
    [/pfs\.0\.numVfs: must be a number of VFs/, '{"pfs":[{"pf":"ens1f0","numVfs":"3"}]}'],
  ])('a file that cannot be used is named: %s', async (message, text) => {
    if (text !== undefined) {
      world.files.set(PFS_FILE, text)
    }
    await expect(apply()).rejects.toThrow(message)
  })

  test('a file that others can write to is not used', async () => {
    write({ pf: PF, numVfs: 0 })
    world.owners.set(PFS_FILE, { mode: 0o666 })
    await expect(apply()).rejects.toThrow(`others than root can write to ${PFS_FILE}`)
    expect(count()).toBe(4)
  })
})
