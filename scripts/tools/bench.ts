/**
 * Measures commands side by side in one run, inside the lab's guest, and prints medians and ratios.
 * Usage: bench ROUNDS JSON-FILE
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import Table from 'cli-table3'
import { type Bed, benchCases, type Command } from './bench/cases.js'

const PF = process.env.LAB_PFS?.split(' ')[0] ?? 'ens1f0'
const NETNS = 'bench'
const TRACE = '/run/bench-trace.log'
const WARM_UP_ROUNDS = 2

const say = (line: string) => process.stdout.write(`${line}\n`)

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Runs a command to its end; returns milliseconds. */
function time({ path, args, environment, stdin }: Command): number {
  const begin = performance.now()
  const { status, stdout, stderr } = spawnSync(path, args, { env: environment, input: stdin, encoding: 'utf8' })
  const elapsed = performance.now() - begin
  if (status !== 0) {
    throw new Error(`${path} ${args.join(' ')} ${environment.CNI_COMMAND ?? ''}: ${stdout}${stderr}`)
  }
  return elapsed
}

function makeBed(): Bed {
  execFileSync('ip', ['netns', 'add', NETNS])
  const device = basename(readlinkSync(`/sys/class/net/${PF}/device/virtfn0`))
  return { device, netdev: readdirSync(`/sys/bus/pci/devices/${device}/net`)[0] ?? '', netns: `/run/netns/${NETNS}` }
}

/** VF dumps and namespace moves of one ADD with everything, counted in its netlink trace. */
function countRequests(bed: Bed): { vfDumps: number; moves: number; requests: number } {
  rmSync(TRACE, { force: true })
  const traced = benchCases(bed).find(({ name }) => name === 'sriov, VLAN and MAC')
  if (!traced?.del) {
    throw new Error('there is no case to trace')
  }
  const conf = { ...JSON.parse(traced.add.stdin), logLevel: 'debug', logFile: TRACE }
  time({ ...traced.add, stdin: JSON.stringify(conf) })
  const lines = readFileSync(TRACE, 'utf8').trim().split('\n')
  time(traced.del)
  const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'netlink request')
  return {
    vfDumps: requests.filter(({ isVfDump }) => isVfDump === true).length,
    moves: requests.filter(({ isMove }) => isMove === true).length,
    requests: requests.length,
  }
}

const rounds = Number(process.argv[2] ?? 15)
const bed = makeBed()
const cases = benchCases(bed).map((one) => ({ ...one, addMs: [] as number[], delMs: [] as number[] }))
for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
  for (const one of cases) {
    const add = time(one.add)
    const del = one.del && time(one.del)
    if (round >= 0) {
      one.addMs.push(add)
      if (del !== undefined) {
        one.delMs.push(del)
      }
    }
  }
  process.stderr.write(round < 0 ? 'warming up\n' : `round ${round + 1} of ${rounds}\n`)
}

const of = (name: string, verb: 'addMs' | 'delMs'): number =>
  median(cases.find((one) => one.name === name)?.[verb] ?? [])
const ratios = [
  ['ADD ÷ (C floor + node -e 0)', of('sriov', 'addMs') / (of('C floor', 'addMs') + of('node -e 0', 'addMs')), 1.3],
  ['ADD ÷ host-device', of('sriov', 'addMs') / of('host-device', 'addMs'), undefined],
  ['DEL ÷ host-device', of('sriov', 'delMs') / of('host-device', 'delMs'), undefined],
  [
    'ADD with VLAN and MAC ÷ host-device without',
    of('sriov, VLAN and MAC', 'addMs') / of('host-device', 'addMs'),
    undefined,
  ],
  [
    'ADD with host-local ÷ host-device with host-local',
    of('sriov, host-local', 'addMs') / of('host-device, host-local', 'addMs'),
    undefined,
  ],
  [
    'DEL with host-local ÷ host-device with host-local',
    of('sriov, host-local', 'delMs') / of('host-device, host-local', 'delMs'),
    undefined,
  ],
] as const

const table = new Table({
  head: ['one-shot, medians', 'ADD ms', 'DEL ms'],
  style: { head: [], border: [], compact: true },
})
for (const { name, delMs } of cases) {
  table.push([name, of(name, 'addMs').toFixed(0), delMs.length === 0 ? '' : of(name, 'delMs').toFixed(0)])
}
say(table.toString())
const ratioTable = new Table({ head: ['ratio', 'is', 'at most'], style: { head: [], border: [], compact: true } })
for (const [name, ratio, limit] of ratios) {
  ratioTable.push([name, ratio.toFixed(2), limit === undefined ? '' : limit.toFixed(2)])
}
say(ratioTable.toString())
const trace = countRequests(bed)
say(
  `netlink trace of one ADD with VLAN and MAC: ${trace.requests} requests, ${trace.vfDumps} VF dump, ${trace.moves} namespace move`,
)
execFileSync('ip', ['netns', 'del', NETNS])
writeFileSync(
  process.argv[3] ?? '/dev/null',
  JSON.stringify(
    { rounds, cases: cases.map(({ name, addMs, delMs }) => ({ name, addMs, delMs })), ratios, trace },
    null,
    2,
  ),
)
