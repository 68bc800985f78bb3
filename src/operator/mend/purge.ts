/** `sriovctl purge`: removes what the plugin keeps on a node, once no pod needs it. */
import { NODE_FOLDER } from '../../cni/folders.js'
import { PluginError } from '../../errors.js'
import { deviceExists } from '../../pci/functions.js'
import { CLUSTER_FOLDER } from '../../policy/policy.js'
import { type SurveyedOther, survey } from '../../sriov/survey/survey.js'
import type { SurveyedVf } from '../../sriov/survey/survey-vf.js'
import { OF_DEAD, type Reason } from '../../sriov/survey/vf-state.js'
import { holderOf } from '../../sriov/users/ownership.js'
import { claimedVfs, claimPath, isClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { allAttachments } from '../../state/listing.js'
import { takeNodeLocks } from '../../state/lock.js'
import { isYoungPromise, promisedDevices } from '../../state/promises.js'
import { counted, type Output, printable } from '../output.js'
import type { Surroundings } from '../verb.js'

const RUN_FOLDER = '/run/sriov-cni'
/** Where the device plugin describes devices for Multus; other device plugins do as well. */
const DEVICE_INFO = '/run/k8s.cni.cncf.io/devinfo/dp'
const PCI = `${NODE_FOLDER}/pci`
const LOCKS: readonly string[] = ['pf_lock', 'vf_lock']

export type PurgePorts = Pick<Surroundings, 'probeResident' | 'askDevicePlugin' | 'removeTree' | 'removeIfEmpty'>

/** Why nothing may be removed now; undefined when it may. */
async function obstacleOf(host: CallHost, ports: PurgePorts): Promise<string | undefined> {
  if ((await ports.probeResident()) !== 'absent') {
    return 'the resident process is at work'
  }
  if ((await ports.askDevicePlugin()) !== 'absent') {
    return 'the device plugin is at work'
  }
  return usersOf(host)
}

/** Beside a live pod's: where a DEL or a GC is still to come. What is only out of order needs no plugin. */
const STILL_TO_COME: ReadonlySet<Reason> = new Set([...OF_DEAD, 'at-work', 'untold', 'no-driver-in-pod'])

const needsPlugin = ({ verdict: { state, reason } }: SurveyedVf | SurveyedOther): boolean =>
  state === 'in-use' || (reason !== undefined && STILL_TO_COME.has(reason))

/** An error message names at most this many devices. */
const MAX_NAMED = 8

/** The devices of attachments that are not there any more: each still has a DEL to come, and maybe a lease. */
function goneDevices(host: CallHost): readonly string[] {
  const { files, state } = host
  const recorded = [...allAttachments(state).map(({ deviceId }) => deviceId), ...claimedVfs(files)]
  return [...new Set(recorded)].filter((device) => !deviceExists(files, device))
}

/** Which devices pods have, or are about to get, or have not given back; undefined when none. */
async function usersOf(host: CallHost): Promise<string | undefined> {
  const { vfs, others } = await survey(host)
  const nowMs = host.clock.dateMs()
  const users = [
    ...[...vfs, ...others].filter(needsPlugin).map(({ address, record, verdict: { problem } }) => {
      const who = record && `${holderOf(record)} has it`
      return `${address} (${problem ?? who ?? 'in use'})`
    }),
    ...goneDevices(host).map((device) => `${device} (it is not there any more, and its attachment is recorded)`),
    ...vfs
      .filter((vf) => vf.promise && isYoungPromise(vf.promise, nowMs) && !needsPlugin(vf))
      .map(({ address }) => `${address} (kubelet has just given it to a pod)`),
  ]
  const more = users.length - MAX_NAMED
  return users.length === 0
    ? undefined
    : `${counted(users.length, 'device')} ${users.length === 1 ? 'is' : 'are'} in use, or not given back: ${users.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Files of this plugin. What the Go sriov-cni has in the same folder stays: its records, and its marks in pci. */
function ownPaths({ files }: CallHost): readonly string[] {
  const inPci = files.list(PCI)
  const descriptions = [...promisedDevices(files).keys()].flatMap((device) =>
    files.list(DEVICE_INFO).filter((name) => name.endsWith(`-${device}-device.json`)),
  )
  return [
    ...descriptions.map((name) => `${DEVICE_INFO}/${name}`),
    ...files
      .list(NODE_FOLDER)
      .filter((name) => name.startsWith('.'))
      .map((name) => `${NODE_FOLDER}/${name}`),
    ...(inPci.length > 0 && inPci.every((name) => LOCKS.includes(name)) ? [PCI] : []),
    ...[CLUSTER_FOLDER, RUN_FOLDER].filter((path) => files.exists(path)),
  ]
}

/**
 * Removes them. A call may begin at any moment, so everything is locked, and looked at again, before the first goes: what a
 * call makes after that stays. Returns why nothing was removed. @throws PluginError kind `tryAgain` while a call is at work
 */
async function removeOwn(host: CallHost, ports: PurgePorts, paths: readonly string[]): Promise<string | undefined> {
  const claimed = claimedVfs(host.files)
  using locks = await takeNodeLocks(host, claimed)
  const obstacle = await usersOf(host)
  if (obstacle !== undefined) {
    return obstacle
  }
  const mayGo = new Set(claimed.map(claimPath))
  for (const path of paths) {
    if (path === PCI) {
      locks.removeFiles()
      for (const name of LOCKS) {
        ports.removeIfEmpty(`${PCI}/${name}`)
      }
      ports.removeIfEmpty(PCI)
    } else if (!isClaim(path) || mayGo.has(path)) {
      ports.removeTree(path)
    }
  }
  const emptied = [NODE_FOLDER, '/var/lib/cni', DEVICE_INFO, '/run/k8s.cni.cncf.io/devinfo', '/run/k8s.cni.cncf.io']
  for (const folder of emptied) {
    ports.removeIfEmpty(folder)
  }
  return undefined
}

/** Who is at work, of an error that says so. @throws any other error */
function workOf(error: unknown): string {
  if (error instanceof PluginError && error.fault.kind === 'tryAgain') {
    return error.message
  }
  throw error
}

/** Says what would be removed, or removes it. Returns the exit code: 1 while a pod or a process needs it. @throws PluginError */
export async function purge(
  host: CallHost,
  out: Output,
  ports: PurgePorts,
  { apply }: { readonly apply?: true },
): Promise<number> {
  const paths = ownPaths(host)
  const obstacle =
    (await obstacleOf(host, ports)) ??
    (apply ? await removeOwn(host, ports, paths).catch((error) => workOf(error)) : undefined)
  if (obstacle !== undefined) {
    out.write(`nothing is removed: ${printable(obstacle)}\n`)
    return 1
  }
  out.write(paths.length === 0 ? 'there is nothing to remove\n' : paths.map((path) => `${path}\n`).join(''))
  return 0
}
