import { expect } from 'vitest'
import { allFindings, type Finding, isWrong } from '../calls/ctl.js'
import { shell } from '../host/process.js'

export interface Fault {
  readonly id: string
  readonly severity: Finding['severity']
  /** Puts the fault into the host; returns what an operator does where the remedy is words. */
  plant(): Promise<(() => unknown) | undefined>
  /** What the test itself has to put back, whatever the doctor said. */
  tidy?(): Promise<unknown>
}

/** Nobody is there to answer what `sriovctl repair` asks. */
const answered = (line: string): string => line.replace(/^sriovctl repair .*$/, '$& --yes')

/** Types what the doctor says; a line for a person is done by `byHand`. */
async function carryOut({ remedy }: Finding, byHand: () => Promise<unknown>): Promise<void> {
  for (const line of remedy) {
    await (line.startsWith('#')
      ? byHand()
      : shell(answered(line).replace(/^sriovctl /, '/opt/cni/bin/.sriov/sriovctl ')))
  }
}

/** Plants a fault: the doctor finds it, its remedies are carried out as printed, and the next doctor finds nothing. */
export async function foundAndMended({ id, severity, plant, tidy }: Fault): Promise<void> {
  const byHand = await plant()
  try {
    const found = await allFindings()
    expect(found).toContainEqual(expect.objectContaining({ id, severity }))
    for (const one of found.filter((other) => isWrong(other) || other.id === id)) {
      await carryOut(one, async () => byHand?.())
    }
    expect((await allFindings()).filter((one) => isWrong(one) || one.id === id)).toEqual([])
  } finally {
    await tidy?.()
  }
}
