import { POLICY_FILE } from '../../src/policy/policy.js'
import type { FakeWorld } from './machine/world.js'

/** The administrator of a fake machine writes its policy. */
export function setPolicy(world: FakeWorld, rules: object, file = POLICY_FILE): void {
  world.files.set(file, JSON.stringify(rules, null, 2))
}
