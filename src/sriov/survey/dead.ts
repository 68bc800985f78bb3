/** Tells calls that died from calls that began or ended while one looked. Changes nothing and takes no lock. */
import { vfLockWorkers } from '../../state/lock.js'
import type { AttachmentRecord } from '../../state/record.js'
import { holderOf } from '../users/ownership.js'
import type { Common, SurveyedVf } from './survey-vf.js'
import { atWork, OF_DEAD } from './vf-state.js'

/** With `vlan-left`: its DEL may have ended since the PF was asked. */
const isDoubtful = ({ verdict: { reason } }: SurveyedVf): boolean =>
  reason !== undefined && (OF_DEAD.has(reason) || reason === 'vlan-left')

const stageOf = (record: AttachmentRecord): string => `${holderOf(record)} ${record.since} ${record.phase}`

/**
 * Looks again at the VFs whose pods or calls seem dead, after a search for workers: between the look at a record and
 * the search of before, a call may have begun or ended. A record that is the same before and after the search, which found
 * nobody, is of the dead; if it is another, a call wrote it.
 */
export async function confirmDead(
  common: Common,
  vfs: readonly SurveyedVf[],
  lookAgain: (common: Common, vf: SurveyedVf) => Promise<SurveyedVf>,
): Promise<readonly SurveyedVf[]> {
  const [first, ...others] = vfs.filter(isDoubtful).map(({ address }) => address)
  if (first === undefined) {
    return vfs
  }
  const workersOn = vfLockWorkers(common.host, [first, ...others])
  await workersOn(first)
  const confirmed: SurveyedVf[] = []
  for (const vf of vfs) {
    confirmed.push(isDoubtful(vf) ? unlessMoving(vf, await lookAgain({ ...common, workersOn }, vf)) : vf)
  }
  return confirmed
}

function unlessMoving({ record: before }: SurveyedVf, vf: SurveyedVf): SurveyedVf {
  const { record } = vf
  return isDoubtful(vf) && before && record && stageOf(before) !== stageOf(record)
    ? { ...vf, verdict: atWork('a call is', holderOf(record), record.since) }
    : vf
}
