/**
 * Counts the instructions of ADD and DEL, user space and system calls, in a guest whose every instruction takes a
 * nanosecond (scripts/lab run --icount). Usage: bench-instructions CALLS JSON-FILE
 */
import { writeFileSync } from 'node:fs'
import { type Bed, type Case, INSTRUCTIONS } from './cases.js'
import { makeBeds } from './lab-beds.js'
import { time } from './measure.js'
import { spentOn } from './processor-time.js'
import { runTool } from './tool.js'

const WARM_UP_CALLS = 5
const PER_SECOND = 1e9
const MILLION = 1e6

/** Instructions of one way of giving a VF to a pod, in millions. */
export interface Instructions {
  readonly name: string
  readonly add: number
  readonly del: number
}

async function count({ name, add, del = add }: Case, bed: Bed, calls: number): Promise<Instructions> {
  const spent = { add: 0, del: 0 }
  for (let call = -WARM_UP_CALLS; call < calls; call += 1) {
    const before = spentOn()
    await time([add(bed)])
    const between = spentOn()
    await time([del(bed)])
    if (call >= 0) {
      spent.add += between - before
      spent.del += spentOn() - between
    }
  }
  const millions = (seconds: number) => (seconds * PER_SECOND) / MILLION / calls
  process.stderr.write(`${name}: ${millions(spent.add).toFixed(1)} and ${millions(spent.del).toFixed(1)} million\n`)
  return { name, add: millions(spent.add), del: millions(spent.del) }
}

async function main(calls: number, file: string): Promise<void> {
  const [bed] = makeBeds()
  if (!bed) {
    throw new Error('the guest has no VFs')
  }
  const counted: Instructions[] = []
  for (const one of INSTRUCTIONS) {
    counted.push(await count(one, bed, calls))
  }
  writeFileSync(file, JSON.stringify(counted, null, 2))
}

runTool(() => main(Number(process.argv[2] ?? 100), process.argv[3] ?? '/dev/stdout'))
