import { describe, expect, test } from 'vitest'
import { JOURNAL, journalEntries, noteCall } from '../../../src/state/journal.js'
import { call, hostOf, netConf } from '../../fakes/call.js'
import { makeMachine, VF_ADDRESS } from '../../fakes/machine/machine.js'

const POD = { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=7' }

const entriesOf = (world: ReturnType<typeof makeMachine>) => journalEntries(hostOf(world).files)

describe('the journal', () => {
  test('tells of an ADD and a DEL: when, whose, which device', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf(), { environment: POD })
    await call(world, 'DEL', netConf(), { environment: POD })
    const common = {
      at: expect.stringMatching(/^2026-01-01T00:00:0\d\.\d{3}Z$/),
      ms: expect.any(Number),
      containerId: 'pod-a',
      ifName: 'net1',
      network: 'sriov-net',
      pod: { namespace: 'shop', name: 'cart-0' },
      device: VF_ADDRESS,
      phases: expect.objectContaining({ lock: 0, move: 0 }),
    }
    expect(entriesOf(world)).toEqual([
      { ...common, verb: 'ADD' },
      { ...common, verb: 'DEL' },
    ])
  })

  test('tells what refused a call, in the words of its answer', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf({ vlan: 5000, qos: 9 }))
    await call(world, 'ADD', netConf({ deviceID: '0000:99:00.0' }))
    expect(entriesOf(world)).toMatchObject([
      { error: { code: 7, kind: 'config', message: expect.stringContaining('vlan') } },
      { error: { code: 101, kind: 'device', message: expect.stringContaining('0000:99:00.0') } },
    ])
  })

  test('has no line for a STATUS, nor for a CHECK or a GC that found all in order', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf({ vlan: 100 }))
    await call(world, 'CHECK', netConf({ vlan: 100 }))
    await call(world, 'GC', netConf({ 'cni.dev/valid-attachments': [{ containerID: 'pod-a', ifname: 'net1' }] }))
    await call(world, 'STATUS', netConf({ deviceID: '0000:99:00.0' }))
    expect(entriesOf(world).map(({ verb }) => verb)).toEqual(['ADD'])
    world.vf(VF_ADDRESS).settings = { ...world.vf(VF_ADDRESS).settings, vlan: 7 }
    await call(world, 'CHECK', netConf({ vlan: 100 }))
    expect(entriesOf(world).map(({ verb }) => verb)).toEqual(['ADD', 'CHECK'])
  })

  test('has at most two files of half a megabyte; half a line is left out', () => {
    const { files } = hostOf(makeMachine())
    const entry = { at: '2026-01-01T00:00:00.000Z', verb: 'ADD', ms: 1, containerId: 'c', ifName: 'net1', network: 'n' }
    const error = { code: 7, kind: 'config', message: 'x'.repeat(100_000) }
    for (let i = 0; i < 1_000; i += 1) {
      noteCall(files, { ...entry, error })
    }
    const sizes = [JOURNAL, `${JOURNAL}.1`].map((path) => files.readText(path)?.length ?? 0)
    expect(sizes.every((size) => size <= 515 * 1024)).toBe(true)
    files.append(JOURNAL, '{"at":"2026', { maxBytes: 1e9, fullTo: '' })
    const entries = journalEntries(files)
    expect(entries.length).toBeGreaterThan(250)
    expect(entries.every(({ verb }) => verb === 'ADD')).toBe(true)
  })
})
