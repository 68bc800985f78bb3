/**
 * The benchmark's half on the machine itself, where the kernel runs at its own speed: veth interfaces stand in for VFs.
 * Runs in a host of its own: see scripts/bench.d/on-machine.
 * Usage: bench-on-machine ROUNDS CALLS JSON-FILE
 */
import { writeFileSync } from 'node:fs'
import { AT_ONCE, ON_MACHINE } from './cases.js'
import { makeStandIns } from './machine/beds.js'
import { type CpuTime, measureCpu, measureSpread, measureStorm } from './machine/load.js'
import { watchMemory } from './machine/memory.js'
import { measureFirstMessage, measureStarts } from './machine/starts.js'
import { type Timeline, traceAtOnce } from './machine/timeline.js'
import { type Figures, measure } from './measure.js'
import { runTool } from './tool.js'

const STAND_INS = 128
const POD_COUNTS = [8, 32, STAND_INS]

/** What the machine's half hands over. */
export interface MachineReport {
  readonly starts: readonly Figures[]
  readonly firstMessage: readonly Figures[]
  readonly oneByOne: readonly Figures[]
  readonly atOnce: readonly { readonly pods: number; readonly figures: readonly Figures[] }[]
  /** 128 pods for 64 VFs. */
  readonly storm: readonly Figures[]
  /** Many single calls. */
  readonly spread: readonly Figures[]
  readonly cpu: readonly CpuTime[]
  /** 32 pods at once. */
  readonly timeline: Timeline
  /** ADD and DEL that were made for the memory figures. */
  readonly calls: number
  /** Resident set of the process, in MB, at even distances. */
  readonly residentMegabytes: readonly number[]
}

const say = (text: string) => process.stderr.write(`${text}\n`)

async function main(rounds: number, calls: number, file: string): Promise<void> {
  const beds = makeStandIns(STAND_INS)
  const [first] = beds
  if (!first) {
    throw new Error('there are no stand-ins')
  }
  const onRound = () => undefined
  // First: a process that has had 128 calls at once keeps more.
  const residentMegabytes = calls > 0 ? await watchMemory(calls, beds) : []
  say('starts')
  const starts = await measureStarts(rounds)
  const firstMessage = await measureFirstMessage(rounds, first)
  say('one by one')
  const oneByOne = await measure(ON_MACHINE, [first], { rounds, warmUp: 3, onRound })
  const atOnce = []
  for (const pods of POD_COUNTS) {
    say(`${pods} at once`)
    const some = Math.max(3, Math.ceil(rounds / pods))
    atOnce.push({ pods, figures: await measure(AT_ONCE, beds.slice(0, pods), { rounds: some, warmUp: 1, onRound }) })
  }
  say('a storm')
  const storm = await measureStorm(Math.max(3, Math.ceil(rounds / 20)), beds)
  const timeline = await traceAtOnce(beds.slice(0, 32))
  say('many single calls')
  const spread = await measureSpread(rounds * 5, first)
  const cpu = await measureCpu(rounds * 10, first)
  const report: MachineReport = {
    starts,
    firstMessage,
    oneByOne,
    atOnce,
    storm,
    spread,
    cpu,
    timeline,
    calls,
    residentMegabytes,
  }
  writeFileSync(file, JSON.stringify(report, null, 2))
}

const [rounds = '100', calls = '10000', file = '/dev/stdout'] = process.argv.slice(2)
runTool(() => main(Number(rounds), Number(calls), file))
