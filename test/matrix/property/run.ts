import { requireInvariants, requireNothingLeft } from './invariants.js'
import type { Sequence } from './operations.js'
import { Trial } from './trial.js'

/** Goes through a sequence on a node of its own. @throws Error with the first thing that is not as the model says */
export async function run({ operations, end }: Sequence): Promise<void> {
  const trial = new Trial()
  for (const [i, operation] of operations.entries()) {
    try {
      await trial.step(operation)
      requireInvariants(trial)
    } catch (error) {
      throw Object.assign(error as Error, { message: `step ${i}, ${operation.op}: ${(error as Error).message}` })
    }
  }
  await trial.end(end)
  requireNothingLeft(trial)
}
