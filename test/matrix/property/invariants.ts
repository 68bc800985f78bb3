import { expect } from 'vitest'
import { JOURNAL } from '../../../src/state/journal.js'
import { isHeldAlive, keyOf } from './model.js'
import { ADDRESSES, remembered, STATE_FOLDER, vfFacts, whereIs } from './node-state.js'
import type { Trial } from './trial.js'

/** Takes note of names that something else has by now. */
export function noteNames({ world, names, robbed }: Trial): void {
  for (const [vf, name] of names.entries()) {
    const holder = world.host.links.find((link) => link.name === name)
    if (holder && holder.parentDevice !== ADDRESSES[vf]) {
      robbed.add(vf)
    }
  }
}

/** A VF that is nobody's: at home, as it was before the first ADD, under its name or any when that was taken. */
function requireOriginal(trial: Trial, vf: number): void {
  const { world, original, names, robbed } = trial
  const address = ADDRESSES[vf] ?? ''
  expect(vfFacts(world, address), `VF ${vf} (${address}), which nobody has`).toEqual(original[vf])
  const name = whereIs(world, address)?.link.name ?? ''
  if (name !== names[vf]) {
    expect(robbed.has(vf), `VF ${vf} is called ${name}, not ${names[vf]}, though that name is free`).toBe(true)
    names[vf] = name
  }
  robbed.delete(vf)
}

/** What must hold after every step. */
export function requireInvariants(trial: Trial): void {
  const { world, held } = trial
  const all = remembered(world)
  for (const one of held.values()) {
    if (isHeldAlive(world, one)) {
      const address = ADDRESSES[one.vf] ?? ''
      expect(vfFacts(world, address), `VF ${one.vf}, which ${keyOf(one)} has`).toEqual(one.seen)
      const record = all.find(({ key, deviceId }) => key === keyOf(one) && deviceId === address)
      expect(record?.phase, `the record of ${keyOf(one)}`).toBe('attached')
    }
  }
  noteNames(trial)
  for (const [vf, address] of ADDRESSES.entries()) {
    if (!all.some(({ deviceId, phase }) => deviceId === address && phase !== 'released')) {
      requireOriginal(trial, vf)
    }
  }
  const keys = new Set(all.map(({ key }) => key))
  expect(
    [...world.leases.keys()].filter((key) => !keys.has(key)),
    'leases that nobody remembers',
  ).toEqual([])
  expect(
    world.host.links.filter(({ parentDevice }) => parentDevice === undefined).map(({ mac }) => mac.slice(0, 5)),
    'interfaces of others on the host',
  ).toSatisfy((macs: string[]) => macs.every((mac) => mac === '00:00' || mac === '02:ee'))
  for (const [path, { links }] of world.namespaces) {
    if (path.startsWith('/run/')) {
      expect(
        links.some(({ name, mac }) => name === 'eth0' && mac === '02:00:00:00:0a:01'),
        `eth0 in ${path}`,
      ).toBe(true)
    }
  }
}

/** What must hold when everything was given back. */
export function requireNothingLeft(trial: Trial): void {
  requireInvariants(trial)
  const { world } = trial
  for (const vf of ADDRESSES.keys()) {
    requireOriginal(trial, vf)
  }
  const isAttachments = (path: string) =>
    path.startsWith(`${STATE_FOLDER}/`) && !path.endsWith('.lock') && !path.startsWith(JOURNAL)
  expect([...world.files.keys()].filter(isAttachments), 'files that are left').toEqual([])
  expect([...world.leases.keys()], 'leases that are left').toEqual([])
  expect({ locks: world.locks.size, descriptors: world.openDescriptors }).toEqual({ locks: 0, descriptors: 0 })
}
