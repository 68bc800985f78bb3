import * as fc from 'fast-check'
import { SMALL_NODE } from '../../fakes/machine/node.js'

/** What goes wrong during a call: the process is killed around effect `at`, or the kernel refuses it. */
export type Harm =
  | { readonly kill: number; readonly when: 'before' | 'after' }
  | { readonly refuse: number; readonly errno: string; readonly lasts: boolean; readonly readsToo: boolean }

/** One interface of one pod, by numbers. */
export interface Interface {
  readonly pod: number
  readonly ifName: 'net1' | 'net2'
}

export type Tampering = 'rename' | 'mac' | 'mtu' | 'down' | 'up' | 'promisc' | 'altname' | 'move home'

/** One step of a sequence; plain, so that a counterexample can be read. `vf` counts over all PFs. */
export type Operation =
  | (Interface & { readonly op: 'ADD'; readonly vf: number; readonly conf: number; readonly harm?: Harm | undefined })
  | (Interface & {
      readonly op: 'DEL'
      readonly vf: number
      readonly hasNetns: boolean
      readonly harm?: Harm | undefined
    })
  | (Interface & { readonly op: 'CHECK' })
  | { readonly op: 'GC'; readonly list: 'valid' | 'some' | 'empty' | 'none'; readonly harm?: Harm | undefined }
  | { readonly op: 'remove netns'; readonly pod: number; readonly cleanupMs: number }
  | { readonly op: 'make netns'; readonly pod: number }
  | (Interface & { readonly op: 'tamper'; readonly what: Tampering; readonly to: string })
  | { readonly op: 'take host name'; readonly vf: number }
  | { readonly op: 'give host name'; readonly vf: number }
  | { readonly op: 'reboot' }

/** A sequence, and how everything is given back at its end. */
export interface Sequence {
  readonly operations: readonly Operation[]
  readonly end: 'DEL' | 'GC'
}

/** How many configurations an ADD can choose from (confOf() in model.ts). */
export const CONFIGURATIONS = 5

const pod = fc.nat(SMALL_NODE.pods - 1)
const vf = fc.nat(SMALL_NODE.drivers.length * SMALL_NODE.vfsPerPf - 1)
// Few VFs are tried often: what is of interest is who comes after whom.
const favouriteVf = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 1, 5) }, { weight: 1, arbitrary: vf })
const favouritePod = fc.oneof({ weight: 2, arbitrary: fc.constantFrom(0, 1) }, { weight: 1, arbitrary: pod })
const ifName = fc.constantFrom('net1' as const, 'net2' as const)

const harm: fc.Arbitrary<Harm | undefined> = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  { weight: 2, arbitrary: fc.record({ kill: fc.nat(35), when: fc.constantFrom('before' as const, 'after' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      refuse: fc.nat(60),
      errno: fc.constantFrom('EIO', 'EEXIST', 'EADDRNOTAVAIL', 'EBUSY', 'ENODEV', 'EMFILE', 'ENOSPC'),
      lasts: fc.boolean(),
      readsToo: fc.boolean(),
    }),
  },
)

const whatTampering = fc.constantFrom<Tampering>(
  'rename',
  'mac',
  'mtu',
  'down',
  'up',
  'promisc',
  'altname',
  'move home',
)

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('ADD' as const),
      pod: favouritePod,
      ifName,
      vf: favouriteVf,
      conf: fc.nat(CONFIGURATIONS - 1),
      harm,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('DEL' as const),
      pod: favouritePod,
      ifName,
      vf: favouriteVf,
      hasNetns: fc.boolean(),
      harm,
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('CHECK' as const), pod: favouritePod, ifName }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('GC' as const),
      list: fc.constantFrom('valid' as const, 'some' as const, 'empty' as const, 'none' as const),
      harm,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('remove netns' as const),
      pod: favouritePod,
      cleanupMs: fc.constantFrom(0, 0, 20, 500),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('make netns' as const), pod: favouritePod }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('tamper' as const),
      pod: favouritePod,
      ifName,
      what: whatTampering,
      to: fc.constantFrom('data0', 'net1', 'net2'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('take host name' as const), vf: favouriteVf }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('give host name' as const), vf: favouriteVf }) },
  { weight: 1, arbitrary: fc.constant({ op: 'reboot' as const }) },
)

/** Sequences of up to 25 operations. */
export const sequences: fc.Arbitrary<Sequence> = fc.record({
  operations: fc.array(operation, { minLength: 1, maxLength: 25, size: 'max' }),
  end: fc.constantFrom('DEL' as const, 'GC' as const),
})
