/** What a node with many pods asks for: processor time, the slowest of many calls, and pods that fail beside others. */
import { type Bed, FLOOR, HOST_DEVICE, RESIDENT, RESIDENT_HOST_LOCAL } from '../cases.js'
import { type Figures, measure, runAll, time } from '../measure.js'
import { spentOn } from '../processor-time.js'

const CALLS_IN_A_BLOCK = 50

/** User and system time of many calls. */
export interface CpuTime {
  readonly name: string
  readonly seconds: number
}

/** Processor seconds for so many ADDs and DELs, one after another, in blocks by turns. */
export async function measureCpu(calls: number, bed: Bed): Promise<CpuTime[]> {
  const totals = [RESIDENT, HOST_DEVICE].map((one) => ({ one, seconds: 0 }))
  for (let made = 0; made < calls; made += CALLS_IN_A_BLOCK) {
    for (const total of totals) {
      const before = spentOn()
      for (let call = 0; call < CALLS_IN_A_BLOCK; call += 1) {
        await time([total.one.add(bed)])
        await time([total.one.del(bed)])
      }
      total.seconds += spentOn() - before
    }
  }
  return totals.map(({ one: { name }, seconds }) => ({ name, seconds }))
}

/** Many single calls, for how much the slow ones differ from the usual. */
export const measureSpread = (calls: number, bed: Bed): Promise<Figures[]> =>
  measure([FLOOR, RESIDENT, HOST_DEVICE], [bed], { rounds: calls, warmUp: 3, onRound: () => undefined })

/**
 * The storm: all pods ask for a VF at once, two for each, so that half of the ADDs fail. Beside it the floor for those that
 * succeed.
 */
export async function measureStorm(rounds: number, beds: readonly Bed[]): Promise<Figures[]> {
  const [floor, storm]: [Figures, Figures] = [
    { name: FLOOR.name, addMs: [], delMs: [] },
    { name: RESIDENT_HOST_LOCAL.name, addMs: [], delMs: [] },
  ]
  const { add, del } = RESIDENT_HOST_LOCAL
  const lucky = beds.slice(0, beds.length / 2)
  const pods = beds.map(
    (bed, i): Bed => ({ ...(lucky[i % lucky.length] ?? bed), netns: bed.netns, container: bed.container }),
  )
  for (let round = 0; round < rounds; round += 1) {
    floor.addMs.push(await time(lucky.map((bed) => FLOOR.add(bed))))
    floor.delMs.push(await time(lucky.map((bed) => FLOOR.del(bed))))
    const { elapsedMs, exits } = await runAll(pods.map((pod) => add(pod)))
    const winners = exits.filter(({ status }) => status === 0).length
    if (winners !== lucky.length) {
      throw new Error(`of ${exits.length} ADDs for ${lucky.length} VFs ${winners} succeeded`)
    }
    storm.addMs.push(elapsedMs)
    storm.delMs.push(await time(pods.map((pod) => del(pod))))
  }
  return [floor, storm]
}
