import { writeSync } from 'node:fs'
import type { Environment } from '../../cni/args.js'

/**
 * The protocol between the launcher (native/shim/attempt.h, node.h, one_shot.c) and the plugin that it starts. A test
 * compares the two sides.
 */
export const CALLER_PREFIX = 'CALLER_'
export const REPORT_VARIABLE = 'SRIOV_CNI_REPORT'
export const REPORT_BEGUN = 'B'
export const REPORT_ANSWERED = 'A'
export const FALLBACK_VARIABLE = 'SRIOV_CNI_FALLBACK'

/** One call, started by the launcher or by a test without a launcher. */
export interface Launched {
  /** The environment that the runtime gave to the plugin. */
  readonly environment: Environment
  /** Set on the second start of a call: how the first start ended. */
  readonly fallback?: string
  /** Tells the launcher not to make this call again. @throws Error of Node.js when the launcher cannot be told */
  begun(): void
  /** Tells the launcher that the answer is out, and which exit code to return. */
  answered(exitCode: number): void
}

/**
 * The caller's environment. The launcher passes it on under prefixed names, so that Node.js, its libraries and their
 * loader do not see it. The launcher's own variables (`SRIOV_CNI_AGAIN`) take precedence.
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

/** Reads from its own environment how this process was started. */
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
        // The answer is out, even if nobody can be told.
      }
    },
  }
}
