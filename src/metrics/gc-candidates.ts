import { isToGo, leftoversOf } from '../sriov/survey/leftovers.js'
import { type Living, spareBy } from '../sriov/survey/spare.js'
import type { Survey } from '../sriov/survey/survey.js'
import type { CallHost } from '../state/folder.js'

/** As deploy/sriov-gc.service calls it. */
export const YOUNG_MS = 600_000
/** The container runtime lists all its sandboxes for an answer. */
const REMEMBERED_MS = 60_000

export interface GcCandidates {
  /**
   * How many devices `sriovctl gc --apply --older-than 10m` would give back; undefined when nobody can tell. Asks once a
   * minute at most, and gives the last answer until then.
   * @throws PluginError, Error when kubelet or the runtime is there and does not answer
   */
  count(host: CallHost, surveyed: Survey): Promise<number | undefined>
}

/** `living` asks kubelet and the container runtime. */
export function countGcCandidates(living: () => Promise<Living>): GcCandidates {
  let last: { readonly atMs: number; readonly count: number | undefined } | undefined
  return {
    async count(host, surveyed) {
      const atMs = host.clock.nowMs()
      if (last && atMs - last.atMs < REMEMBERED_MS) {
        return last.count
      }
      // A question that fails is not repeated at once either.
      last = { atMs, count: undefined }
      const leftovers = leftoversOf(host, surveyed, spareBy(host, await living(), YOUNG_MS))
      last = { atMs, count: leftovers.filter(isToGo).length }
      return last.count
    },
  }
}
