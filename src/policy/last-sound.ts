import type { FilePort, Log } from '../host/ports.js'
import { loadPolicy } from './load.js'
import type { Policy } from './policy.js'

/**
 * Reads the policy again and again, for a process that stays. While it is wrong, kubelet's folder is that of before: another
 * one, without a checkpoint, would say that pods have nothing.
 */
export function policyReader(files: FilePort, log: Log): () => Policy {
  let kubeletFolder: string | undefined
  let told: string | undefined
  return () => {
    const policy = loadPolicy(files)
    if (policy.problem !== told) {
      told = policy.problem
      if (told !== undefined) {
        log.error('the policy of this node cannot be used', { problem: told })
      }
    }
    if (policy.problem === undefined) {
      kubeletFolder = policy.kubeletFolder
    }
    return { ...policy, ...(kubeletFolder !== undefined && { kubeletFolder }) }
  }
}
