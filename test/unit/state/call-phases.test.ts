import { describe, expect, test } from 'vitest'
import { recordPhases } from '../../../src/state/call-phases.js'
import { JOURNAL, journalEntries } from '../../../src/state/journal.js'
import { call, hostOf, netConf } from '../../fakes/call.js'
import { FakeClock } from '../../fakes/machine/clock.js'
import type { Effect, Interference } from '../../fakes/machine/interference.js'
import { makeMachine, VF_ADDRESS } from '../../fakes/machine/machine.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { IPAM } from '../../fakes/scenarios.js'

const VF_LOCK = `/var/lib/cni/sriov/pci/vf_lock/${VF_ADDRESS}.lock`

/** Lets time pass in the effects of a call. */
const slow =
  (world: FakeWorld, msOf: (effect: Effect) => number): Interference =>
  (effect, work) => {
    const ms = msOf(effect)
    if (ms > 0) {
      void world.clock.sleep(ms)
    }
    return work()
  }

const phasesOf = (world: FakeWorld) => journalEntries(hostOf(world).files).map(({ phases }) => phases)

describe('recordPhases()', () => {
  test('a phase within another counts for that one only, even when it fails; one that comes twice is added up', async () => {
    const clock = new FakeClock()
    const phases = recordPhases(clock)
    const failed = phases.during('netdev', async () => {
      await clock.sleep(3)
      await phases.during('lock', () => clock.sleep(40))
      await phases.during('pf', async () => {
        await clock.sleep(5)
        throw new Error('refused')
      })
    })
    await expect(failed).rejects.toThrow('refused')
    await phases.during('pf', () => clock.sleep(1.26))
    expect(phases.times()).toEqual({ lock: 40, pf: 6.3, netdev: 3 })
  })

  test('a phase that was ended goes on no longer', async () => {
    const clock = new FakeClock()
    const phases = recordPhases(clock)
    const end = phases.begin('choose')
    await clock.sleep(2)
    end()
    await clock.sleep(7)
    end()
    expect(phases.times()).toEqual({ choose: 2 })
  })

  test('what runs beside a phase takes nothing from it, unless it blocks the thread', async () => {
    const clock = new FakeClock()
    const phases = recordPhases(clock)
    let isDone: () => void = () => undefined
    await phases.during('move', async () => {
      const plugin = phases.beside(
        'ipam',
        () =>
          new Promise<void>((resolve) => {
            isDone = resolve
          }),
      )
      await clock.sleep(20)
      isDone()
      await plugin
    })
    await phases.during('netdev', async () => {
      // As waitpid(2) does in a process of one call.
      await phases.beside('ipam', () => clock.sleep(100))
      await clock.sleep(1)
    })
    expect(phases.times()).toEqual({ move: 20, ipam: 120, netdev: 1 })
  })
})

describe('the journal tells what a call spent its time on:', () => {
  const CONF = netConf({ vlan: 100, ...IPAM })

  test('ADD and DEL', async () => {
    const world = makeMachine()
    const msOf = ({ kind, what }: Effect): number =>
      what.startsWith('wait for')
        ? 200
        : kind !== 'netlink'
          ? 0
          : what.startsWith('RTM_SETLINK')
            ? 30
            : // The move, and nothing else that an ADD or a DEL asks for, names the interface anew.
              /^RTM_NEWLINK.*(net1|ens1f0v2)/.test(what)
              ? 16
              : /^RTM_NEW(ADDR|ROUTE)/.test(what)
                ? 1
                : 0
    for (const verb of ['ADD', 'DEL']) {
      expect(await call(world, verb, CONF, { interfere: slow(world, msOf) })).toMatchObject({ exitCode: 0 })
    }
    expect(phasesOf(world)).toEqual([
      { lock: 0, choose: 0, pf: 30, netdev: 5, move: 16, ipam: 200 },
      { lock: 0, pf: 30, netdev: 0, move: 16, ipam: 200 },
    ])
  })

  test('an ADD that waited for another call', async () => {
    const world = makeMachine()
    world.locks.add(VF_LOCK)
    world.clock.after(5_000, () => world.locks.delete(VF_LOCK))
    await call(world, 'ADD', CONF)
    const [times] = phasesOf(world)
    expect(times?.lock).toBeGreaterThanOrEqual(5_000)
    expect(times).toMatchObject({ choose: 0, netdev: 0 })
  })

  test('a VF that was bound, and bound back', async () => {
    const world = makeMachine()
    world.pciDrivers.set('vfio-pci', { makesNetdev: false })
    const conf = netConf({ dpdk: { kernel_driver: 'igbvf', dpdk_driver: 'vfio-pci' } })
    for (const verb of ['ADD', 'DEL']) {
      await call(world, verb, conf)
    }
    expect(phasesOf(world)).toEqual([expect.objectContaining({ driver: 0 }), expect.objectContaining({ driver: 0 })])
  })

  test('nothing of a call that was refused before, nor of a CHECK', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf({ vlan: 5000 }))
    await call(world, 'CHECK', CONF)
    expect(phasesOf(world)).toEqual([undefined, undefined])
  })

  test('and an entry without phases, or with those of another version, is read; a damaged one is not', () => {
    const { files } = hostOf(makeMachine())
    const entry = { at: '2026-01-01T00:00:00.000Z', verb: 'ADD', ms: 1, containerId: 'c', ifName: 'net1', network: 'n' }
    const lines = [
      entry,
      { ...entry, phases: { firmware: 7 } },
      { ...entry, phases: { pf: '7' } },
      { ...entry, phases: 7 },
    ]
    for (const line of lines) {
      files.append(JOURNAL, `${JSON.stringify(line)}\n`, { maxBytes: 1e9, fullTo: '' })
    }
    expect(journalEntries(files)).toEqual([entry, { ...entry, phases: { firmware: 7 } }])
  })
})
