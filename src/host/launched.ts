import { writeSync } from 'node:fs'
import type { Environment } from '../cni/args.js'

/** What the launcher (native/shim/attempt.h, node.h, one_shot.c) and the plugin it starts say to each other; a test compares it. */
export const CALLER_PREFIX = 'CALLER_'
export const REPORT_VARIABLE = 'SRIOV_CNI_REPORT'
export const REPORT_BEGUN = 'B'
export const REPORT_ANSWERED = 'A'
export const FALLBACK_VARIABLE = 'SRIOV_CNI_FALLBACK'

/** A call as the launcher started it, or a test without one. */
export interface Launched {
  /** What the runtime gave to the plugin. */
  readonly environment: Environment
  /** Why this is the second start of the same call: what became of the first. */
  readonly fallback?: string
  /** From here on the call must not be made again by the launcher. @throws Error of Node.js when it cannot be told */
  begun(): void
  /** The answer is out, and the launcher exits so. */
  answered(exitCode: number): void
}

/**
 * The environment of the caller, which the launcher hands on under other names: Node.js, its libraries and their loader
 * see nothing of it. What it says itself (`SRIOV_CNI_AGAIN`) counts more.
 */
function callerEnvironment(own: Environment): Environment {
  const environment: Record<string, string | undefined> = Object.create(null)
  const entries = Object.entries(own)
  for (const [name, value] of entries) {
    if (name.startsWith(CALLER_PREFIX)) {
      environment[name.slice(CALLER_PREFIX.length)] = value
    }
  }
  for (const [name, value] of entries) {
    if (!name.startsWith(CALLER_PREFIX) && name !== REPORT_VARIABLE && name !== FALLBACK_VARIABLE) {
      environment[name] = value
    }
  }
  return environment
}

/** Reads how this process was started from its own environment. */
export function launched(own: Environment): Launched {
  const fd = own[REPORT_VARIABLE]
  const fallback = own[FALLBACK_VARIABLE]
  const report = (text: string, ...values: number[]) => {
    if (fd !== undefined) {
      writeSync(Number(fd), Buffer.concat([Buffer.from(text), Buffer.from(values)]))
    }
  }
  return {
    environment: callerEnvironment(own),
    ...(fallback !== undefined && { fallback }),
    begun: () => report(REPORT_BEGUN),
    answered(exitCode) {
      try {
        report(REPORT_ANSWERED, exitCode)
      } catch {
        // The answer is out, whoever hears of it.
      }
    },
  }
}
