/** What is wrong with the state folder and the policy. */
import { NODE_FOLDER } from '../../cni/folders.js'
import { distrustOf } from '../../node/trust.js'
import { deviceExists } from '../../pci/functions.js'
import { POLICY_FILE } from '../../policy/policy.js'
import { holderOf } from '../../sriov/users/ownership.js'
import { brokenClaims, claimPath } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { journalEntries } from '../../state/journal.js'
import { allAttachments, isMentioned, unreadableFiles } from '../../state/listing.js'
import type { Finding } from './findings.js'

/** A record has some three kilobytes, and there are two of it while it is replaced. */
const MIN_FREE_BYTES = 256 * 1024

/** What node/trust.ts says of a path that others can write to. */
const OTHERS_WRITE = /others than root can write to (\S+)/

function ofFolder({ files }: CallHost): Finding[] {
  if (files.factsOf(NODE_FOLDER) === undefined) {
    // The first ADD makes it.
    return []
  }
  const distrust = distrustOf(files, `${NODE_FOLDER}/pci`)
  if (distrust !== undefined) {
    return [
      {
        id: 'state-untrusted',
        subject: NODE_FOLDER,
        message: distrust,
        remedy: [`chown root:root ${NODE_FOLDER}`, `chmod 700 ${NODE_FOLDER}`],
      },
    ]
  }
  if (!files.isWritable(NODE_FOLDER)) {
    return [
      {
        id: 'state-not-writable',
        subject: NODE_FOLDER,
        message: 'cannot be written to',
        remedy: ['# Look at the log of the kernel: the file system may be read-only after an error of its disk.'],
      },
    ]
  }
  const free = files.freeBytes(NODE_FOLDER)
  return free >= MIN_FREE_BYTES
    ? []
    : [
        {
          id: 'state-full',
          subject: NODE_FOLDER,
          message: `has ${Math.floor(free / 1024)} KiB left on its file system`,
          remedy: [
            `# Make room on its file system: df -h ${NODE_FOLDER}, then du -xh --max-depth=2 on what is mounted there.`,
          ],
        },
      ]
}

function ofRecords({ files, state }: CallHost): Finding[] {
  const unreadable = unreadableFiles(state).map(
    ({ path, problem }): Finding => ({
      id: 'record-unreadable',
      subject: path,
      message: problem,
      remedy: [`# The VF goes back by its claim. Keep the file for a report, then: rm ${path}`],
    }),
  )
  const gone = allAttachments(state)
    .filter(({ deviceId }) => !deviceExists(files, deviceId))
    .map(
      (record): Finding => ({
        id: 'record-of-gone-device',
        subject: record.deviceId,
        message: `is not there any more; ${holderOf(record)} had it`,
        remedy: ['sriovctl gc --apply'],
      }),
    )
  const claims = brokenClaims(files).map(
    ({ deviceId, problem }): Finding => ({
      id: 'claim-broken',
      subject: claimPath(deviceId),
      message: problem,
      remedy: isMentioned(state, deviceId)
        ? ['# Nothing: its record is there, and the DEL of its pod removes the claim.']
        : ['sriovctl gc --apply'],
    }),
  )
  return [...unreadable, ...gone, ...claims]
}

function ofPolicy({ policy: { problem } }: CallHost): Finding[] {
  return problem === undefined
    ? []
    : [
        {
          id: 'policy-wrong',
          subject: 'the policy of this node',
          message: problem,
          remedy: [
            ...(OTHERS_WRITE.exec(problem)?.[1] === undefined ? [] : [`chmod go-w ${OTHERS_WRITE.exec(problem)?.[1]}`]),
            `# Mend it (docs/policy.md); its files are ${POLICY_FILE} and those in policy.d beside it.`,
          ],
        },
      ]
}

function ofClock({ files }: CallHost): Finding[] {
  const times = journalEntries(files).map(({ at }) => at)
  const back = times.find(
    (at, i) => i > 0 && at < (times[i - 1] ?? '') && Date.parse(times[i - 1] ?? '') - Date.parse(at) > 60_000,
  )
  return back === undefined
    ? []
    : [
        {
          id: 'clock-behind',
          subject: 'the journal',
          message: `goes back in time at ${back}`,
          remedy: ['# Look at the time service: timedatectl, chronyc tracking'],
        },
      ]
}

/** @throws PluginError kind `state` */
export function stateFindings(host: CallHost): Finding[] {
  const folder = ofFolder(host)
  const isReadable = !folder.some(({ id }) => id === 'state-untrusted')
  return [...folder, ...(isReadable ? [...ofRecords(host), ...ofClock(host)] : []), ...ofPolicy(host)]
}
