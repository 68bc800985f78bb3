/** `sriovctl gc`: gives back what dead pods and calls have left, as the GC of a runtime does for each network. */
import { readCall } from '../../cni/call.js'
import { gc } from '../../commands/gc.js'
import { messageOf } from '../../errors.js'
import { isToGo, type Leftover, leftoversOf } from '../../sriov/survey/leftovers.js'
import { type Living, type Spare, spareBy } from '../../sriov/survey/spare.js'
import { survey } from '../../sriov/survey/survey.js'
import { claimedVfs, readClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { allAttachments } from '../../state/listing.js'
import { asJson, counted, type Output, printable } from '../output.js'

/** What a GC asks before it takes something from anybody, and how young an ADD has to be for it to be left alone. */
export interface GcOptions {
  readonly apply?: true
  readonly json?: true
  /** Milliseconds. */
  readonly olderThan?: number
  readonly living: () => Promise<Living>
}

/** Every folder that may hold records: the node's, those of the policy, and those that configurations chose, by the claims. */
function foldersWithRecords({ files, policy, state }: CallHost): ReadonlySet<string> {
  const chosen = claimedVfs(files).flatMap((deviceId) => readClaim(files, deviceId)?.folder ?? [])
  return new Set([state.path, ...policy.stateFolders.filter((folder) => files.exists(folder)), ...chosen])
}

/** Runs the GC of every network that has a record, in each folder of records. Returns what could not be given back. */
async function collectAll(host: CallHost, spare: Spare): Promise<string[]> {
  const problems: string[] = []
  for (const path of foldersWithRecords(host)) {
    problems.push(...(await collect({ ...host, state: { ...host.state, path } }, spare)))
  }
  return problems
}

/** The same in the folder of `host.state`. */
async function collect(host: CallHost, spare: Spare): Promise<string[]> {
  const text = JSON.stringify({ cniVersion: '1.1.0', name: 'sriovctl', type: 'sriov' })
  const { args, parsed } = readCall('GC', { CNI_COMMAND: 'GC', CNI_PATH: host.cniPath }, () => text)
  const recorded = allAttachments(host.state).map(({ network }) => network)
  const problems: string[] = []
  // Without a list, each releases only what is provably dead. One that no record has repairs claims and marks.
  for (const name of new Set([...recorded, parsed.conf.name])) {
    try {
      await gc(host, args, { ...parsed, conf: { ...parsed.conf, name } }, (record) => spare(record) !== undefined)
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  return problems
}

const listed = (title: string, some: readonly Leftover[]): string =>
  some.length === 0
    ? ''
    : [
        `${title}\n`,
        ...some.map(
          ({ device, problem, spared }) =>
            `  ${device}: ${printable(problem)}${spared === null ? '' : `; ${printable(spared)}`}\n`,
        ),
      ].join('')

const isLeftAlone = ({ spared }: Leftover): boolean => spared !== null

const NOTHING = 'there is nothing to give back\n'

/**
 * Says what would be given back, or gives it back. Returns the exit code: 1 when something stays that nobody has.
 * @throws PluginError, Error when kubelet or the runtime is there and does not answer: nothing is given back then
 */
export async function collectGarbage(
  host: CallHost,
  out: Output,
  { apply, json, olderThan = 0, living }: GcOptions,
): Promise<number> {
  const spare = spareBy(host, await living(), olderThan)
  const before = leftoversOf(host, await survey(host), spare)
  const toGo = before.filter(isToGo)
  const leftAlone = listed('left alone:', before.filter(isLeftAlone))
  if (!apply) {
    const title = `${counted(toGo.length, 'device')} would be given back; sriovctl gc --apply does it`
    out.write(json ? asJson({ leftovers: before }) : `${listed(title, toGo) || NOTHING}${leftAlone}`)
    return 0
  }
  const problems = await collectAll(host, spare)
  const left = leftoversOf(host, await survey(host), spare).filter(isToGo)
  const done = toGo.filter(({ device }) => !left.some((one) => one.device === device))
  out.write(
    json
      ? asJson({ givenBack: done, left, leftAlone: before.filter(isLeftAlone), problems })
      : [
          toGo.length === 0 ? NOTHING : '',
          listed('given back:', done),
          listed('left:', left),
          leftAlone,
          ...problems.map((problem) => `${printable(problem)}\n`),
        ].join(''),
  )
  return left.length > 0 || problems.length > 0 ? 1 : 0
}
