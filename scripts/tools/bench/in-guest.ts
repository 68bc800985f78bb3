/** The benchmark's half inside the lab's guest. Usage: bench-in-guest ROUNDS JSON-FILE */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { AT_ONCE_IN_LAB, type Bed, IN_LAB, RESIDENT_VLAN_AND_MAC } from './cases.js'
import { makeBeds } from './lab-beds.js'
import { type Figures, measure, time } from './measure.js'
import { runTool } from './tool.js'

const TRACE = '/var/log/sriov-bench-trace.log'
const WARM_UP_ROUNDS = 2
/** Rounds with many pods take many times as long. */
const ROUNDS_AT_ONCE_DIVISOR = 3

/** What the guest's half hands over. */
export interface GuestReport {
  readonly rounds: number
  readonly oneByOne: readonly Figures[]
  readonly atOnce: readonly { readonly pods: number; readonly figures: readonly Figures[] }[]
  readonly trace: { readonly requests: number; readonly vfDumps: number; readonly moves: number }
}

/** VF dumps and namespace moves of one ADD with everything, counted in its netlink trace. */
async function countRequests(bed: Bed): Promise<GuestReport['trace']> {
  rmSync(TRACE, { force: true })
  const { add, del } = RESIDENT_VLAN_AND_MAC
  const command = add(bed)
  const conf = { ...JSON.parse(command.stdin ?? ''), logLevel: 'debug', logFile: TRACE }
  await time([{ ...command, stdin: JSON.stringify(conf) }])
  const lines = readFileSync(TRACE, 'utf8').trim().split('\n')
  await time([del(bed)])
  const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'netlink request')
  return {
    requests: requests.length,
    vfDumps: requests.filter(({ isVfDump }) => isVfDump === true).length,
    moves: requests.filter(({ isMove }) => isMove === true).length,
  }
}

const progress = (what: string, rounds: number) => (round: number) =>
  process.stderr.write(`${what}: ${round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`}\n`)

async function main(rounds: number, file: string): Promise<void> {
  const beds = makeBeds()
  const [first] = beds
  if (!first) {
    throw new Error('the guest has no VFs')
  }
  const oneByOne = await measure(IN_LAB, [first], {
    rounds,
    warmUp: WARM_UP_ROUNDS,
    onRound: progress('one by one', rounds),
  })
  const atOnce = []
  for (const pods of [7, 32].filter((count) => count <= beds.length)) {
    const some = Math.max(3, Math.ceil(rounds / ROUNDS_AT_ONCE_DIVISOR))
    const figures = await measure(AT_ONCE_IN_LAB, beds.slice(0, pods), {
      rounds: some,
      warmUp: 1,
      onRound: progress(`${pods} at once`, some),
    })
    atOnce.push({ pods, figures })
  }
  const report: GuestReport = { rounds, oneByOne, atOnce, trace: await countRequests(first) }
  writeFileSync(file, JSON.stringify(report, null, 2))
}

runTool(() => main(Number(process.argv[2] ?? 15), process.argv[3] ?? '/dev/stdout'))
