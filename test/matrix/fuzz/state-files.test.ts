import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { call, hostOf, netConf } from '../../fakes/call.js'
import { makeMachine, OTHER_VF_ADDRESS, POD_A, POD_B, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { HOST_NETNS } from '../../fakes/machine/world.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'
import { vfFacts } from '../property/node-state.js'
import { type Damage, damage, damaged } from './damage.js'
import { FUZZ_SEED, fuzz } from './seed.js'
import { callOn } from './wrapped-call.js'

const STATE_FOLDER = '/var/lib/cni/sriov'
/** All VFs but the one whose state files are damaged; the first is pod-b's. */
const OTHERS = [OTHER_VF_ADDRESS, '0000:01:10.0', '0000:01:10.6']
const POD_C = '/run/netns/pod-c'
const FULL = netConf({ ...ALL_SETTINGS, ...IPAM })
const OTHER = netConf({ deviceID: OTHER_VF_ADDRESS, ...IPAM, vlan: 9 })

/** Values as another attachment, another VF or a broken disk would have them, by the type of what they replace. */
const ODD = {
  number: [0, 1, 3, -1, 0.5, 1e300, 4294967296],
  string: [
    ...['', 'x', 'x'.repeat(20_000), '../../../etc', 'pod-b', 'eth0', 'ens1f0', 'ens1f0v1', 'aa:bb'],
    ...[OTHER_VF_ADDRESS, VF_ADDRESS, '0000:01:00.0', POD_A, POD_B, HOST_NETNS],
    ...['intent', 'attached', 'released', 'releasing'],
  ],
  boolean: [true, false],
  object: [[], [null], ['eth0', 7], {}, null],
} as const

const oddValueFor = (old: unknown, pick: number): unknown => {
  const same: readonly unknown[] = ODD[typeof old as keyof typeof ODD] ?? ODD.string
  const all: readonly unknown[] = pick % 4 === 0 ? Object.values(ODD).flat() : same
  return all[pick % all.length]
}

type Change =
  | { readonly kind: 'bytes'; readonly damage: readonly Damage[] }
  | { readonly kind: 'value'; readonly at: number; readonly pick: number }
  | { readonly kind: 'lost key'; readonly at: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'lost' }

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('bytes' as const),
      damage: fc.array(damage, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('value' as const),
      at: fc.nat(200),
      pick: fc.nat(1000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lost key' as const), at: fc.nat(200) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('text' as const),
      text: fc.constantFrom(
        '',
        'null',
        '[]',
        '{}',
        '{"schema":1}',
        '{"schema":99}',
        '{"schema":"1"}',
        '[['.repeat(5000),
        '\0',
        POD_B,
        '/',
        'x'.repeat(1_000_000),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lost' as const) }) },
)

/** Every place in a JSON value, with its owner. */
function placesIn(value: unknown): { readonly owner: Record<string, unknown>; readonly key: string }[] {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => [
        { owner: value as Record<string, unknown>, key },
        ...placesIn(inner),
      ])
    : []
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The text of a file after a change; undefined when the file is lost. A mark is no JSON: its text is replaced. */
function changed(text: string, what: Change): string | undefined {
  switch (what.kind) {
    case 'bytes':
      return what.damage.reduce(damaged, Buffer.from(text)).toString('utf8')
    case 'text':
      return what.text
    case 'lost':
      return undefined
    default: {
      const object = parsed(text)
      const places = placesIn(object)
      if (places.length === 0) {
        return what.kind === 'value' ? String(oddValueFor('', what.pick)) : ''
      }
      const place = places[what.at % places.length]
      if (place && what.kind === 'value') {
        place.owner[place.key] = oddValueFor(place.owner[place.key], what.pick)
      } else if (place) {
        delete place.owner[place.key]
      }
      return JSON.stringify(object)
    }
  }
}

const input = fc.record({
  files: fc.array(fc.record({ file: fc.nat(2), change }), { minLength: 1, maxLength: 2 }),
  verb: fc.constantFrom(
    'DEL',
    'DEL without netns',
    'GC',
    'GC without list',
    'CHECK',
    'ADD',
    'ADD of another',
    'STATUS',
  ),
  isPodGone: fc.boolean(),
})

function callFor(verb: string): { conf: object; environment: Record<string, string> } {
  const caller = { CNI_CONTAINERID: 'pod-a', CNI_NETNS: POD_A, CNI_IFNAME: 'net1', CNI_PATH: '/opt/cni/bin' }
  const known = [{ containerID: 'pod-b', ifname: 'net1' }]
  switch (verb) {
    case 'GC':
      return { conf: { ...FULL, 'cni.dev/valid-attachments': known }, environment: { ...caller, CNI_COMMAND: 'GC' } }
    case 'DEL without netns':
      return { conf: FULL, environment: { ...caller, CNI_NETNS: '', CNI_COMMAND: 'DEL' } }
    case 'ADD of another':
      return {
        conf: FULL,
        environment: { ...caller, CNI_CONTAINERID: 'pod-c', CNI_NETNS: POD_C, CNI_COMMAND: 'ADD' },
      }
    default:
      return { conf: FULL, environment: { ...caller, CNI_COMMAND: verb.split(' ')[0] ?? '' } }
  }
}

test(`damaged state files: every verb answers, and no VF of another pod is touched; seed ${FUZZ_SEED}`, {
  timeout: 300_000,
}, async () => {
  await fuzz(4000, input, async ({ files, verb, isPodGone }) => {
    const world = makeMachine()
    world.addNetns(POD_C)
    await call(world, 'ADD', OTHER, { containerId: 'pod-b', netns: POD_B })
    await call(world, 'ADD', FULL)
    const others = () => OTHERS.map((address) => vfFacts(world, address))
    const facts = others()
    const own = [...world.files.keys()].filter(
      (path) => path.startsWith(`${STATE_FOLDER}/`) && (path.endsWith(VF_ADDRESS) || path.endsWith('pod-a-net1')),
    )
    for (const { file, change: what } of files) {
      const path = own[file % own.length] ?? ''
      const text = changed(world.files.get(path) ?? '', what)
      if (text === undefined) {
        world.files.delete(path)
      } else {
        world.files.set(path, text)
      }
    }
    if (isPodGone) {
      world.removeNetns(POD_A)
    }
    const { conf, environment } = callFor(verb)
    await callOn(world, environment, JSON.stringify(conf), hostOf(world))
    expect(others(), 'the VFs of others').toEqual(facts)
    await callOn(world, { ...environment, CNI_COMMAND: 'DEL' }, JSON.stringify(FULL), hostOf(world))
    expect(others(), 'the VFs of others after a DEL').toEqual(facts)
  })
})
