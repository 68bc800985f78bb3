/**
 * The benchmark's half that needs no VF: how long a call takes to start, and what the resident process keeps of many.
 * Runs in a host of its own: see scripts/bench.d/on-machine.
 * Usage: bench-on-machine ROUNDS CALLS JSON-FILE
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Command } from '../../../src/host/ports.js'
import { type Case, ONE_SHOT } from './cases.js'
import { type Figures, measure, time } from './measure.js'

const { BENCH_NODE = '', BENCH_BIN = '', BENCH_STATE = '', BENCH_DAEMON = '' } = process.env

const SAMPLES = 20
const KILOBYTES = 1024

/** What the machine's half hands over. */
export interface MachineReport {
  readonly starts: readonly Figures[]
  /** ADD and DEL that were made for the memory figures. */
  readonly calls: number
  /** Resident set of the process, in MB, at even distances. */
  readonly residentMegabytes: readonly number[]
}

interface Target {
  readonly device: string
  readonly pod: string
}

const devices = readdirSync('/sys/bus/pci/devices').filter((name) => name.startsWith('0000:ff:'))

function call(verb: string, { device, pod }: Target, environment: Readonly<Record<string, string>> = {}): Command {
  return {
    path: `${BENCH_BIN}/sriov`,
    environment: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: pod,
      CNI_NETNS: `/run/netns/${pod}`,
      CNI_IFNAME: 'net1',
      CNI_PATH: BENCH_BIN,
      ...environment,
    },
    stdin: JSON.stringify({ cniVersion: '1.0.0', name: 'bench', type: 'sriov', deviceID: device, cniDir: BENCH_STATE }),
  }
}

const NOWHERE: Target = { device: '0000:fe:00.0', pod: 'bench-0' }

const version = (environment: Readonly<Record<string, string>>): Command => ({
  path: `${BENCH_BIN}/sriov`,
  environment: { CNI_COMMAND: 'VERSION', ...environment },
})

const STARTS: readonly Case[] = [
  { name: 'node -e 0', add: () => ({ path: BENCH_NODE, args: ['-e', '0'], environment: {} }) },
  { name: 'one-shot VERSION', add: () => version(ONE_SHOT) },
  { name: 'one-shot ADD of an unknown device', status: 1, add: () => call('ADD', NOWHERE, ONE_SHOT) },
  { name: 'resident ADD of an unknown device', status: 1, add: () => call('ADD', NOWHERE) },
  { name: 'resident VERSION', add: () => version({}) },
]

function residentMegabytes(): number {
  const status = readFileSync(`/proc/${BENCH_DAEMON}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / KILOBYTES
}

/** Many ADDs and DELs, all devices at once; the memory at even distances. */
async function watchMemory(calls: number): Promise<number[]> {
  const targets = devices.map((device, i): Target => ({ device, pod: `bench-${i}` }))
  for (const { pod } of targets) {
    execFileSync('ip', ['netns', 'add', pod])
  }
  const megabytes = [residentMegabytes()]
  for (let sample = 1; sample <= SAMPLES; sample += 1) {
    for (let made = 0; made < calls / SAMPLES; made += targets.length) {
      await time(targets.map((target) => call('ADD', target)))
      await time(targets.map((target) => call('DEL', target)))
    }
    megabytes.push(residentMegabytes())
    process.stderr.write(`${Math.round((calls * sample) / SAMPLES)} ADD and DEL: ${megabytes.at(-1)?.toFixed(1)} MB\n`)
  }
  return megabytes
}

async function main(rounds: number, calls: number, file: string): Promise<void> {
  const bed = { device: '', netdev: '', netns: '', container: '' }
  const starts = await measure(STARTS, [bed], { rounds, warmUp: 3, onRound: () => undefined })
  const report: MachineReport = { starts, calls, residentMegabytes: calls > 0 ? await watchMemory(calls) : [] }
  writeFileSync(file, JSON.stringify(report, null, 2))
}

const [rounds = '100', calls = '10000', file = '/dev/stdout'] = process.argv.slice(2)
main(Number(rounds), Number(calls), file).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
