import { expect, test } from 'vitest'
import { withVfLock } from '../../../src/state/lock.js'
import { callHostAs } from '../../fakes/call.js'
import { makeMachine, VF_ADDRESS } from '../../fakes/machine/machine.js'

test('calls of one process get a lock in their order, as soon as it is given up', async () => {
  const host = callHostAs(makeMachine(), {})
  const pauses: number[] = []
  const patient = {
    ...host,
    clock: {
      ...host.clock,
      nowMs: () => 0,
      // Never ends: only the end of the one before lets the next look.
      sleep: (ms: number) => new Promise<void>(() => pauses.push(ms)),
    },
  }
  const log: number[] = []
  await Promise.all(
    [1, 2, 3, 4].map((call) =>
      withVfLock(patient, VF_ADDRESS, async () => {
        log.push(call)
        await new Promise((resolve) => setImmediate(resolve))
        log.push(-call)
      }),
    ),
  )
  expect(log).toEqual([1, -1, 2, -2, 3, -3, 4, -4])
  expect(pauses.length).toBeGreaterThan(0)
})
