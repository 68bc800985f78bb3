/** `sriovctl gc`: gives back what dead pods and calls have left, as the GC of a runtime does for each network. */
import { readCall } from '../../cni/call.js'
import { BIN_FOLDER } from '../../cni/folders.js'
import { gc } from '../../commands/gc.js'
import { messageOf } from '../../errors.js'
import { deviceExists } from '../../pci/functions.js'
import { type SurveyedOther, survey } from '../../sriov/survey/survey.js'
import type { SurveyedVf } from '../../sriov/survey/survey-vf.js'
import type { Reason } from '../../sriov/survey/vf-state.js'
import { holderOf } from '../../sriov/users/ownership.js'
import { brokenClaims } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { allAttachments } from '../../state/listing.js'
import { asJson, counted, type Output, printable } from '../output.js'

export interface Leftover {
  readonly device: string
  readonly problem: string
}

/** Why a VF is to be given back by a GC: its pod is dead, or a call ended in the middle. */
const LEFTOVERS: ReadonlySet<Reason> = new Set([
  'pod-gone',
  'mark-left',
  'other-boot',
  'add-unfinished',
  'del-unfinished',
  'lease-left',
])

const isLeftover = ({ verdict: { reason } }: SurveyedVf | SurveyedOther): boolean =>
  reason !== undefined && LEFTOVERS.has(reason)

/** What a GC would give back now. @throws PluginError */
export async function leftoversOf(host: CallHost): Promise<readonly Leftover[]> {
  const { vfs, others } = await survey(host)
  const gone = allAttachments(host.state).filter(({ deviceId }) => !deviceExists(host.files, deviceId))
  return [
    ...[...vfs, ...others]
      .filter(isLeftover)
      .map(({ address, verdict }) => ({ device: address, problem: verdict.problem ?? '' })),
    ...gone.map((record) => ({
      device: record.deviceId,
      problem: `it is not there any more; ${holderOf(record)} had it`,
    })),
    ...brokenClaims(host.files).map(({ deviceId, problem }) => ({
      device: deviceId,
      problem: `its claim: ${problem}`,
    })),
  ]
}

const ENVIRONMENT = { CNI_COMMAND: 'GC', CNI_PATH: BIN_FOLDER }

/** Runs the GC of every network that has a record. Returns what could not be given back. */
async function collect(host: CallHost): Promise<string[]> {
  const text = JSON.stringify({ cniVersion: '1.1.0', name: 'sriovctl', type: 'sriov' })
  const { args, parsed } = readCall('GC', ENVIRONMENT, () => text)
  const recorded = allAttachments(host.state).map(({ network }) => network)
  const problems: string[] = []
  // Without a list, each releases only what is provably dead. One that no record has repairs claims and marks.
  for (const name of new Set([...recorded, parsed.conf.name])) {
    try {
      await gc(host, args, { ...parsed, conf: { ...parsed.conf, name } })
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  return problems
}

const listed = (some: readonly Leftover[]): string =>
  some.map(({ device, problem }) => `  ${device}: ${printable(problem)}\n`).join('')

/** Says what would be given back, or gives it back. Returns the exit code: 1 when something stays. @throws PluginError */
export async function collectGarbage(
  host: CallHost,
  out: Output,
  { apply, json }: { readonly apply?: true; readonly json?: true },
): Promise<number> {
  const before = await leftoversOf(host)
  if (!apply) {
    out.write(
      json
        ? asJson({ leftovers: before })
        : before.length === 0
          ? 'there is nothing to give back\n'
          : `${counted(before.length, 'device')} would be given back; sriovctl gc --apply does it\n${listed(before)}`,
    )
    return 0
  }
  const problems = await collect(host)
  const left = await leftoversOf(host)
  const done = before.filter(({ device }) => !left.some((one) => one.device === device))
  out.write(
    json
      ? asJson({ givenBack: done, left, problems })
      : [
          before.length === 0 ? 'there is nothing to give back\n' : '',
          done.length === 0 ? '' : `given back:\n${listed(done)}`,
          left.length === 0 ? '' : `left:\n${listed(left)}`,
          ...problems.map((problem) => `${printable(problem)}\n`),
        ].join(''),
  )
  return left.length > 0 || problems.length > 0 ? 1 : 0
}
