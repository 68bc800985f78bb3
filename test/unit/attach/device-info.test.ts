import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { realFiles } from '../../../src/host/files/real-files.js'
import { writeDeviceInfo } from '../../../src/sriov/device/device-info.js'
import type { AttachmentRecord } from '../../../src/state/record.js'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { failingAt } from '../../fakes/ipam.js'
import { everyChange, type Interference, killAt } from '../../fakes/machine/interference.js'
import {
  IPAM_PATH,
  makeMachine,
  OTHER_VF_ADDRESS,
  PF_ADDRESS,
  POD_A,
  POD_B,
  VF_ADDRESS,
} from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { IPAM } from '../../fakes/scenarios.js'
import { addon } from '../../kernel/netns.js'

const INFO = '/var/run/k8s.cni.cncf.io/devinfo/cni/sriov-net-pod-net1-device.json'
const DEVICE = `/sys/bus/pci/devices/${VF_ADDRESS}`
const WANTS_FILE = { capabilities: { CNIDeviceInfoFile: true }, runtimeConfig: { CNIDeviceInfoFile: INFO } }
const DPDK = { dpdk: { dpdk_driver: 'vfio-pci' } }
const CONF = netConf({ ...DPDK, ...IPAM, ...WANTS_FILE })

const infoIn = (world: FakeWorld): unknown => JSON.parse(world.files.get(INFO) ?? 'null')

/** A file that was there before us. */
function withFile(text: string) {
  const world = makeMachine()
  world.folders.add(dirname(INFO))
  world.files.set(INFO, text)
  return world
}

async function attached(conf = CONF, world = makeMachine()) {
  const before = snapshot(world)
  expect(messageOf(await call(world, 'ADD', conf))).toBe('')
  return { world, before }
}

const root = mkdtempSync(join(tmpdir(), 'sriov-device-info-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('the device-information file', () => {
  test('tells VF and PF, and is gone after DEL', async () => {
    const { world, before } = await attached()
    expect(infoIn(world)).toEqual({
      type: 'pci',
      version: '1.1.0',
      pci: { 'pci-address': VF_ADDRESS, 'pf-pci-address': PF_ADDRESS },
    })
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('tells vhost-net where there is one and the VF is for DPDK, and the RDMA device', async () => {
    const world = makeMachine()
    world.files.set('/dev/vhost-net', '')
    world.folders.add(`${DEVICE}/infiniband/mlx5_3`)
    await attached(CONF, world)
    expect(infoIn(world)).toMatchObject({ pci: { 'vhost-net': '/dev/vhost-net', 'rdma-device': 'mlx5_3' } })
    await call(world, 'DEL', CONF)
    await attached(netConf(WANTS_FILE), world)
    expect(infoIn(world)).toMatchObject({ pci: { 'rdma-device': 'mlx5_3' } })
    expect(world.files.get(INFO)).not.toContain('vhost-net')
  })

  test('tells no PF where none can be seen', async () => {
    const world = makeMachine()
    world.symlinks.set(`${DEVICE}/physfn`, '')
    await attached(netConf(WANTS_FILE), world)
    expect(infoIn(world)).toMatchObject({ pci: { 'pci-address': VF_ADDRESS } })
    expect(world.files.get(INFO)).not.toContain('pf-pci-address')
  })

  test('is made only where the configuration declares the capability: who writes it otherwise is no runtime', async () => {
    const runtimeConfig = { CNIDeviceInfoFile: INFO }
    expect((await attached(netConf({ runtimeConfig }))).world.files.has(INFO)).toBe(false)
    const other = netConf({ runtimeConfig, capabilities: { mac: true } })
    expect((await attached(other)).world.files.has(INFO)).toBe(false)
    expect((await attached(netConf(DPDK))).world.files.has(INFO)).toBe(false)
  })

  test('is left alone when it was there before and is about this VF', async () => {
    const text = JSON.stringify({ type: 'vdpa', pci: { 'pci-address': VF_ADDRESS }, extra: 1 })
    const { world, before } = await attached(CONF, withFile(text))
    expect(world.files.get(INFO)).toBe(text)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test.each([JSON.stringify({ pci: { 'pci-address': OTHER_VF_ADDRESS } }), '{"type":', ''])(
    'is never made in place of another: %j',
    async (text) => {
      const world = withFile(text)
      const before = snapshot(world)
      const answer = await call(world, 'ADD', CONF)
      expect([codeOf(answer), messageOf(answer)]).toEqual([7, expect.stringContaining(INFO)])
      expect(snapshot(world)).toEqual(before)
      expect(world.files.get(INFO)).toBe(text)
    },
  )

  test('is left to whom it belongs when it is about another device by the time of DEL', async () => {
    const { world } = await attached()
    const text = JSON.stringify({ pci: { 'pci-address': OTHER_VF_ADDRESS } })
    world.files.set(INFO, text)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(world.files.get(INFO)).toBe(text)
  })

  test('may be gone by the time of DEL', async () => {
    const { world, before } = await attached()
    world.files.delete(INFO)
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('is removed by an ADD that fails', async () => {
    const world = makeMachine()
    world.programs.set(IPAM_PATH, failingAt('ADD', { code: 105, msg: 'no address' }))
    const before = snapshot(world)
    expect(messageOf(await call(world, 'ADD', CONF))).toContain('no address')
    expect(snapshot(world)).toEqual(before)
  })

  test('is removed by GC, and by the ADD of the next pod', async () => {
    for (const [verb, conf, options] of [
      ['GC', { ...CONF, 'cni.dev/valid-attachments': [] }, {}],
      ['ADD', netConf(DPDK), { containerId: 'pod-b', netns: POD_B }],
    ] as const) {
      const { world } = await attached()
      world.removeNetns(POD_A)
      expect(messageOf(await call(world, verb, conf, options))).toBe('')
      expect(world.files.has(INFO)).toBe(false)
    }
  })

  test('is removed wherever its ADD was killed', async () => {
    for (let at = 0; ; at += 1) {
      const world = makeMachine()
      const before = snapshot(world)
      const { exitCode } = await call(world, 'ADD', CONF, { interfere: killAt(everyChange, at, 'after') })
      world.locks.clear()
      world.openDescriptors = 0
      if (exitCode === 0) {
        break
      }
      expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
      expect(snapshot(world).files).toEqual(before.files)
    }
  })

  test('fails the ADD, with everything undone, when it cannot be written', async () => {
    const world = makeMachine()
    const before = snapshot(world)
    const interfere: Interference = (effect, work, refuse) =>
      effect.what === `write ${INFO}` ? refuse('EROFS') : work()
    const answer = await call(world, 'ADD', CONF, { interfere })
    expect([codeOf(answer), messageOf(answer)]).toEqual([106, expect.stringContaining(INFO)])
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps the record of a DEL that cannot remove it; the VF is back', async () => {
    const { world, before } = await attached()
    const interfere: Interference = (effect, work, refuse) =>
      effect.what === `remove ${INFO}` ? refuse('EROFS') : work()
    const answer = await call(world, 'DEL', CONF, { interfere })
    expect([codeOf(answer), messageOf(answer)]).toEqual([109, expect.stringContaining(INFO)])
    expect(world.vf(VF_ADDRESS).driver).toBe('ablevf')
    expect(messageOf(await call(world, 'DEL', CONF))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('takes the place of another at once: a reader never sees half of it', () => {
    const path = join(root, INFO)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, 'old')
    const { ino } = statSync(path)
    writeDeviceInfo(realFiles(addon(), root), { deviceId: VF_ADDRESS, deviceInfoFile: INFO } as AttachmentRecord)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ type: 'pci' })
    expect(statSync(path).ino).not.toBe(ino)
    expect(readdirSync(dirname(path))).toHaveLength(1)
  })
})
