import * as fc from 'fast-check'
import { count } from '../../counts.js'

const { SRIOV_FUZZ_SEED, SRIOV_FUZZ_PATH, SRIOV_FUZZ_RUNS } = process.env

/** Another one every time; SRIOV_FUZZ_SEED (and SRIOV_FUZZ_PATH, for one input) runs the same inputs again. */
export const FUZZ_SEED = SRIOV_FUZZ_SEED === undefined ? Date.now() & 0x7fffffff : Number(SRIOV_FUZZ_SEED)

const LONGEST_INPUT = 2_000

/** Tries so many inputs. @throws Error with the smallest one that fails, the seed and the path to it */
export async function fuzz<Input>(
  runs: number,
  inputs: fc.Arbitrary<Input>,
  attempt: (input: Input) => Promise<void>,
): Promise<void> {
  const details = await fc.check(fc.asyncProperty(inputs, attempt), {
    seed: FUZZ_SEED,
    numRuns: Number(SRIOV_FUZZ_RUNS ?? runs),
    ...(SRIOV_FUZZ_PATH !== undefined && { path: SRIOV_FUZZ_PATH }),
  })
  count('fuzz inputs', details.numRuns)
  if (details.failed) {
    const error = details.errorInstance instanceof Error ? details.errorInstance : new Error('it failed')
    const input = JSON.stringify(details.counterexample?.[0]).slice(0, LONGEST_INPUT)
    const again = `SRIOV_FUZZ_SEED=${details.seed} SRIOV_FUZZ_PATH=${details.counterexamplePath}`
    error.message = `${error.message}\n${input}\n(run again with ${again})`
    throw error
  }
}
