import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { call, hostOf, netConf } from '../../fakes/call.js'
import { makeMachine, POD_A } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { SCENARIOS } from '../../fakes/scenarios.js'
import { damage, damaged } from './damage.js'
import { FUZZ_SEED, fuzz } from './seed.js'
import { callOn, wrapReceive } from './wrapped-call.js'

const LIMIT = { timeout: 300_000 }
const CALLER = { CNI_CONTAINERID: 'pod-a', CNI_NETNS: POD_A, CNI_IFNAME: 'net1', CNI_PATH: '/opt/cni/bin' }
const HEADER_BYTES = 16

const when = { verb: fc.constantFrom('ADD', 'DEL', 'CHECK'), scenario: fc.nat(SCENARIOS.length - 1), at: fc.nat(40) }

/** Damage that no decoder can miss: nothing of what such a datagram says is believed. */
const brokenDatagram = fc.oneof(
  fc.record({ kind: fc.constant('cut' as const), at: fc.integer({ min: 1, max: 5000 }) }),
  fc.record({ kind: fc.constant('tail' as const), bytes: fc.array(fc.nat(255), { minLength: 1, maxLength: 15 }) }),
  fc.record({ kind: fc.constant('length' as const), to: fc.constantFrom(0, 1, 15, 0x7fffffff, 0xffffffff) }),
  fc.record({ kind: fc.constant('sequence' as const), by: fc.constantFrom(1, -1, 1000) }),
  fc.record({ kind: fc.constant('twice' as const) }),
  fc.record({ kind: fc.constant('noise before' as const), type: fc.constantFrom(1, 4, 16, 20, 65535) }),
)

type Broken = typeof brokenDatagram extends fc.Arbitrary<infer Value> ? Value : never

function noise(type: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUInt32LE(HEADER_BYTES, 0)
  bytes.writeUInt16LE(type, 4)
  return bytes
}

function broken(datagram: Buffer, what: Broken): Buffer {
  const copy = Buffer.from(datagram)
  switch (what.kind) {
    case 'cut':
      return copy.subarray(0, what.at % copy.length)
    case 'tail':
      return Buffer.concat([copy, Buffer.from(what.bytes)])
    case 'length':
      copy.writeUInt32LE(what.to, 0)
      return copy
    case 'sequence':
      copy.writeUInt32LE((copy.readUInt32LE(8) + what.by) >>> 0, 8)
      return copy
    case 'twice':
      return Buffer.concat([copy, copy])
    case 'noise before':
      return Buffer.concat([noise(what.type), copy])
  }
}

test(`broken netlink datagrams: an answer, and a DEL that brings all back; seed ${FUZZ_SEED}`, LIMIT, async () => {
  const input = fc.record({ ...when, what: brokenDatagram, lasts: fc.boolean() })
  await fuzz(2000, input, async ({ verb, scenario, at, what, lasts }) => {
    const { make, conf } = SCENARIOS[scenario] ?? { make: makeMachine, conf: {} }
    const world = make()
    const before = snapshot(world)
    if (verb !== 'ADD') {
      await call(world, 'ADD', netConf(conf))
    }
    const host = wrapReceive(hostOf(world), (datagram, number) =>
      number === at || (lasts && number > at) ? broken(datagram, what) : datagram,
    )
    await callOn(world, { ...CALLER, CNI_COMMAND: verb }, JSON.stringify(netConf(conf)), host)
    expect(await call(world, 'DEL', netConf(conf))).toMatchObject({ exitCode: 0, stdout: '' })
    expect(snapshot(world)).toEqual(before)
  })
})

test(`netlink datagrams with any bytes changed: an answer in time; seed ${FUZZ_SEED}`, LIMIT, async () => {
  const input = fc.record({
    ...when,
    changes: fc.array(damage, { minLength: 1, maxLength: 3 }),
    lasts: fc.boolean(),
  })
  await fuzz(2000, input, async ({ verb, scenario, at, changes, lasts }) => {
    const { make, conf } = SCENARIOS[scenario] ?? { make: makeMachine, conf: {} }
    const world = make()
    if (verb !== 'ADD') {
      await call(world, 'ADD', netConf(conf))
    }
    const host = wrapReceive(hostOf(world), (datagram, number) =>
      number === at || (lasts && number > at) ? changes.reduce(damaged, datagram) : datagram,
    )
    await callOn(world, { ...CALLER, CNI_COMMAND: verb }, JSON.stringify(netConf(conf)), host)
  })
})
