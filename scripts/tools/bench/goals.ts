import type { GuestReport } from './in-guest.js'
import type { Figures } from './measure.js'
import type { MachineReport } from './on-machine.js'
import { median, pairedRatio } from './statistics.js'

/** Both halves of the benchmark; each may be absent. */
export interface Report {
  readonly guest?: GuestReport
  readonly machine?: MachineReport
}

/** A ratio, or megabytes, and what it must reach. */
export interface Goal {
  readonly what: string
  readonly is: number
  readonly atMost: number
}

type Verb = 'addMs' | 'delMs'

const figuresOf = (all: readonly Figures[], name: string, verb: Verb): readonly number[] =>
  all.find((one) => one.name === name)?.[verb] ?? []

/** The ratio of two cases, in pairs of one round each. */
const ratio = (all: readonly Figures[], over: string, under: string, verb: Verb): number =>
  pairedRatio(figuresOf(all, over, verb), figuresOf(all, under, verb))

function guestGoals({ oneByOne, atOnce }: GuestReport): Goal[] {
  const seven = atOnce.find(({ pods }) => pods === 7)?.figures ?? []
  return [
    { what: 'lab: resident ADD ÷ C floor', is: ratio(oneByOne, 'resident', 'C floor', 'addMs'), atMost: 1.2 },
    {
      what: 'lab: resident ADD with VLAN and MAC ÷ host-device without',
      is: ratio(oneByOne, 'resident, VLAN and MAC', 'host-device', 'addMs'),
      atMost: 0.75,
    },
    {
      what: 'lab: resident ADD with host-local ÷ host-device',
      is: ratio(oneByOne, 'resident, host-local', 'host-device, host-local', 'addMs'),
      atMost: 0.6,
    },
    {
      what: 'lab: resident DEL with host-local ÷ host-device',
      is: ratio(oneByOne, 'resident, host-local', 'host-device, host-local', 'delMs'),
      atMost: 0.65,
    },
    {
      what: 'lab: 7 ADDs at once with host-local, resident ÷ host-device',
      is: ratio(seven, 'resident, host-local', 'host-device, host-local', 'addMs'),
      atMost: 0.6,
    },
    {
      what: 'lab: one-shot ADD with host-local ÷ host-device',
      is: ratio(oneByOne, 'one-shot, host-local', 'host-device, host-local', 'addMs'),
      atMost: 2.5,
    },
  ]
}

const machineGoals = ({ starts, residentMegabytes }: MachineReport): Goal[] => [
  {
    what: 'machine: one-shot VERSION ÷ node -e 0',
    is: ratio(starts, 'one-shot VERSION', 'node -e 0', 'addMs'),
    atMost: 1,
  },
  {
    what: 'machine: one-shot ADD of an unknown device ÷ node -e 0',
    is: ratio(starts, 'one-shot ADD of an unknown device', 'node -e 0', 'addMs'),
    atMost: 1.15,
  },
  ...(residentMegabytes.length === 0
    ? []
    : [{ what: 'machine: resident memory, MB, at its most', is: Math.max(...residentMegabytes), atMost: 64 }]),
]

/** Everything that the benchmark is to reach, as far as it was measured. */
export const goalsOf = ({ guest, machine }: Report): readonly Goal[] => [
  ...(guest ? guestGoals(guest) : []),
  ...(machine ? machineGoals(machine) : []),
]

/** A case's medians in milliseconds. */
export interface Row {
  readonly name: string
  readonly addMs: number
  readonly delMs: number | undefined
}

export const rowsOf = (figures: readonly Figures[]): readonly Row[] =>
  figures.map(({ name, addMs, delMs }) => ({
    name,
    addMs: median(addMs),
    delMs: delMs.length === 0 ? undefined : median(delMs),
  }))
