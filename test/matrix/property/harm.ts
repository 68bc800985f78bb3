import { type Answer, type CallOptions, call } from '../../fakes/call.js'
import {
  everyChange,
  everyRequest,
  type Interference,
  Killed,
  noInterference,
} from '../../fakes/machine/interference.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { requireWellFormed } from '../fuzz/well-formed.js'
import type { Harm } from './operations.js'

/** What was done to a call. Harm aimed at an effect that the call did not come to is none. */
export type Suffered = 'nothing' | 'a kill' | 'a refusal'

export interface Outcome {
  readonly answer: Answer
  readonly suffered: Suffered
}

function interferenceOf(harm: Harm | undefined, suffer: (what: Suffered) => void): Interference {
  if (!harm) {
    return noInterference
  }
  let seen = -1
  if ('refuse' in harm) {
    return (effect, work, refuse) => {
      seen += harm.readsToo || everyRequest(effect) ? 1 : 0
      const isChosen =
        (harm.readsToo || everyRequest(effect)) && (seen === harm.refuse || (harm.lasts && seen > harm.refuse))
      if (!isChosen) {
        return work()
      }
      suffer('a refusal')
      return refuse(harm.errno)
    }
  }
  let isDead = false
  return (effect, work) => {
    if (isDead) {
      throw new Killed()
    }
    seen += everyChange(effect) ? 1 : 0
    isDead = everyChange(effect) && seen === harm.kill
    if (!isDead) {
      return work()
    }
    suffer('a kill')
    if (harm.when === 'after') {
      work()
    }
    throw new Killed()
  }
}

const MAX_FAKE_MS = 300_000

/** A call that may suffer harm. What the kernel does for a dead process is done here: descriptors and locks go. */
export async function harmedCall(
  world: FakeWorld,
  verb: string,
  conf: object,
  options: CallOptions,
  harm: Harm | undefined,
): Promise<Outcome> {
  let suffered: Suffered = 'nothing'
  const interfere = interferenceOf(harm, (what) => {
    suffered = what
  })
  const start = world.clock.nowMs()
  const answer = await call(world, verb, conf, { ...options, interfere })
  if (world.clock.nowMs() - start > MAX_FAKE_MS) {
    throw new Error(`${verb} took ${world.clock.nowMs() - start} ms`)
  }
  if ((suffered as Suffered) === 'a kill') {
    world.openDescriptors = 0
    world.locks.clear()
    return { answer, suffered }
  }
  requireWellFormed(answer)
  if (world.openDescriptors !== 0 || world.locks.size !== 0) {
    throw new Error(`${verb} left ${world.openDescriptors} descriptors and ${world.locks.size} locks`)
  }
  return { answer, suffered }
}
