/** What dead pods and calls have left: what `sriovctl gc` gives back. */
import { deviceExists } from '../../pci/functions.js'
import { brokenClaims } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { allAttachments } from '../../state/listing.js'
import type { AttachmentRecord } from '../../state/record.js'
import { holderOf } from '../users/ownership.js'
import type { Spare } from './spare.js'
import type { Survey, SurveyedOther } from './survey.js'
import type { SurveyedVf } from './survey-vf.js'
import { OF_DEAD, type Reason } from './vf-state.js'

export interface Leftover {
  readonly device: string
  readonly problem: string
  /** Why it is left alone now; null when it is to be given back. */
  readonly spared: string | null
}

/** Why a VF is to be given back by a GC: its pod is dead, or a call ended in the middle. */
const LEFTOVERS: ReadonlySet<Reason> = new Set([...OF_DEAD, 'mark-left'])

const isLeftover = ({ verdict: { reason } }: SurveyedVf | SurveyedOther): boolean =>
  reason !== undefined && LEFTOVERS.has(reason)

/** What dead pods and calls have left, by a survey of the whole node. @throws PluginError kind `state` */
export function leftoversOf(host: CallHost, { vfs, others }: Survey, spare: Spare): readonly Leftover[] {
  const spared = (record: AttachmentRecord | undefined) => (record && spare(record)) ?? null
  const gone = allAttachments(host.state).filter(({ deviceId }) => !deviceExists(host.files, deviceId))
  return [
    ...[...vfs, ...others].filter(isLeftover).map(({ address, verdict, record }) => ({
      device: address,
      problem: verdict.problem ?? '',
      spared: spared(record),
    })),
    ...gone.map((record) => ({
      device: record.deviceId,
      problem: `it is not there any more; ${holderOf(record)} had it`,
      spared: spared(record),
    })),
    ...brokenClaims(host.files).map(({ deviceId, problem }) => ({
      device: deviceId,
      problem: `its claim: ${problem}`,
      spared: null,
    })),
  ]
}

/** Whether a GC gives it back. */
export const isToGo = ({ spared }: Leftover): boolean => spared === null
