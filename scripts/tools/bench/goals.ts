import type { GuestReport } from './in-guest.js'
import type { Figures } from './measure.js'
import type { MachineReport } from './on-machine.js'
import { median, pairedRatio, percentile } from './statistics.js'

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

/** The ratio of two cases, in pairs of one round each; `under` may be the sum of several. */
function ratio(all: readonly Figures[], over: string, under: string | readonly string[], verb: Verb): number {
  const parts = [under].flat().map((name) => figuresOf(all, name, verb))
  const sums = (parts[0] ?? []).map((_, i) => parts.reduce((sum, part) => sum + (part[i] ?? Number.NaN), 0))
  return pairedRatio(figuresOf(all, over, verb), sums)
}

const WITH_LEASE = 'resident, host-local'
const FLOOR_AND_LEASE = ['C floor', 'host-local alone']

function guestGoals({ oneByOne, atOnce }: GuestReport): Goal[] {
  const seven = atOnce.find(({ pods }) => pods === 7)?.figures ?? []
  return [
    { what: 'lab: resident ADD ÷ C floor', is: ratio(oneByOne, 'resident', 'C floor', 'addMs'), atMost: 1.2 },
    {
      what: 'lab: resident ADD with host-local ÷ host-device with it',
      is: ratio(oneByOne, WITH_LEASE, 'host-device, host-local', 'addMs'),
      atMost: 0.55,
    },
    {
      what: 'lab: resident DEL with host-local ÷ host-device with it',
      is: ratio(oneByOne, WITH_LEASE, 'host-device, host-local', 'delMs'),
      atMost: 0.65,
    },
    {
      what: 'lab: 7 ADDs at once with VLAN and host-local ÷ C floor with VLAN',
      is: ratio(seven, 'resident, VLAN, host-local', 'C floor, VLAN', 'addMs'),
      atMost: 1.2,
    },
    {
      what: 'lab: one-shot ADD with host-local ÷ host-device with it',
      is: ratio(oneByOne, 'one-shot, host-local', 'host-device, host-local', 'addMs'),
      atMost: 2.5,
    },
  ]
}

function startGoals({ starts, firstMessage }: MachineReport): Goal[] {
  return [
    {
      what: 'machine: one-shot ADD up to its first netlink message ÷ node -e 0',
      is: ratio(firstMessage, 'one-shot, first netlink message', 'node -e 0', 'addMs'),
      atMost: 1.05,
    },
    {
      what: 'machine: one-shot ADD of an unknown device ÷ node -e 0',
      is: ratio(starts, 'one-shot ADD of an unknown device', 'node -e 0', 'addMs'),
      atMost: 1.15,
    },
  ]
}

function machineGoals(report: MachineReport): Goal[] {
  const { oneByOne, atOnce, storm, spread, cpu, residentMegabytes } = report
  const many = atOnce.find(({ pods }) => pods === 32)?.figures ?? []
  const adds = figuresOf(spread, 'resident', 'addMs')
  const secondsOf = (name: string) => cpu.find((one) => one.name === name)?.seconds ?? Number.NaN
  return [
    { what: 'machine: resident ADD ÷ C floor', is: ratio(oneByOne, 'resident', 'C floor', 'addMs'), atMost: 1.1 },
    {
      what: 'machine: resident ADD with host-local ÷ (C floor + host-local)',
      is: ratio(oneByOne, WITH_LEASE, FLOOR_AND_LEASE, 'addMs'),
      atMost: 0.9,
    },
    { what: 'machine: resident DEL ÷ C floor', is: ratio(oneByOne, 'resident', 'C floor', 'delMs'), atMost: 1.1 },
    {
      what: 'machine: resident DEL with host-local ÷ (C floor + host-local)',
      is: ratio(oneByOne, WITH_LEASE, FLOOR_AND_LEASE, 'delMs'),
      atMost: 0.9,
    },
    {
      what: 'machine: 32 ADDs at once with host-local ÷ C floor at once',
      is: ratio(many, WITH_LEASE, 'C floor', 'addMs'),
      atMost: 1.15,
    },
    {
      what: 'machine: 128 ADDs at once for 64 VFs ÷ C floor of 64',
      is: ratio(storm, WITH_LEASE, 'C floor', 'addMs'),
      atMost: 1.3,
    },
    {
      what: 'machine: resident ADD, 99th percentile ÷ median',
      is: percentile(adds, 99) / median(adds),
      atMost: 1.5,
    },
    {
      what: 'machine: processor time of resident ADD and DEL ÷ host-device',
      is: secondsOf('resident') / secondsOf('host-device'),
      atMost: 0.35,
    },
    ...startGoals(report),
    ...(residentMegabytes.length === 0
      ? []
      : [{ what: 'machine: resident memory, MB, at its most', is: Math.max(...residentMegabytes), atMost: 64 }]),
  ]
}

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
