import * as fc from 'fast-check'
import { test } from 'vitest'
import { count } from '../../counts.js'
import { type Sequence, sequences } from './operations.js'
import { run } from './run.js'

const FIXED_SEED = 20240607
const { SRIOV_PROPERTY_SEED, SRIOV_PROPERTY_PATH, SRIOV_PROPERTY_RUNS } = process.env

/** A seed to run again with comes from the environment, and so does the path that fast-check printed beside it. */
const seed = SRIOV_PROPERTY_SEED === undefined ? Date.now() & 0x7fffffff : Number(SRIOV_PROPERTY_SEED)

/** The failure of a sequence; undefined when it keeps what the model says. */
const failureOf = (sequence: Sequence): Promise<Error | undefined> =>
  run(sequence).then(
    () => undefined,
    (error: Error) => error,
  )

/** Leaves out every step that the failure does not need: fast-check shrinks the steps, but not always their number. */
async function withoutIdleSteps(sequence: Sequence): Promise<Sequence> {
  let { operations } = sequence
  for (let i = operations.length - 1; i >= 0; i -= 1) {
    const fewer = operations.filter((_, at) => at !== i)
    operations = (await failureOf({ ...sequence, operations: fewer })) ? fewer : operations
  }
  return { ...sequence, operations }
}

async function assertSequences(parameters: fc.Parameters<[Sequence]> & { numRuns: number }): Promise<void> {
  const details = await fc.check(fc.asyncProperty(sequences, run), parameters)
  count('random sequences', details.numRuns)
  if (details.failed && details.counterexample) {
    const shortest = await withoutIdleSteps(details.counterexample[0])
    const error = (await failureOf(shortest)) ?? new Error('the failure does not come again')
    const again = `SRIOV_PROPERTY_SEED=${details.seed} SRIOV_PROPERTY_PATH=${details.counterexamplePath}`
    const steps = shortest.operations.map((operation) => JSON.stringify(operation)).join('\n')
    error.message = `${error.message}\n${steps}\nend by ${shortest.end}\n(run again with ${again})`
    throw error
  }
}

test(`random sequences of calls, kills, refusals and accidents keep what the model says; seed ${seed}`, {
  timeout: 300_000,
}, async () => {
  console.info(`random sequences: SRIOV_PROPERTY_SEED=${seed} runs them again`)
  await assertSequences({
    seed,
    numRuns: Number(SRIOV_PROPERTY_RUNS ?? 2500),
    ...(SRIOV_PROPERTY_PATH !== undefined && { path: SRIOV_PROPERTY_PATH }),
  })
})

test('the same with a seed that never changes', { timeout: 300_000 }, () =>
  assertSequences({ seed: FIXED_SEED, numRuns: 1000 }),
)
