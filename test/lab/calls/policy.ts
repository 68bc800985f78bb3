import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { POLICY_FILE, POLICY_FOLDER } from '../../../src/policy/policy.js'

/** The administrator of the host writes its policy. */
export function setPolicy(rules: object): void {
  mkdirSync(POLICY_FOLDER, { recursive: true })
  writeFileSync(POLICY_FILE, JSON.stringify(rules, null, 2))
}

export const removePolicy = (): void => rmSync(POLICY_FILE, { force: true })
