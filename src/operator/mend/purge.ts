/** `sriovctl purge`: removes what the plugin keeps on a node, once no pod needs it. */
import { NODE_FOLDER } from '../../cni/folders.js'
import { PluginError } from '../../errors.js'
import { CLUSTER_FOLDER } from '../../policy/policy.js'
import { survey } from '../../sriov/survey/survey.js'
import { BAD_STATES } from '../../sriov/survey/vf-state.js'
import { claimedVfs, claimPath, isClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { takeNodeLocks } from '../../state/lock.js'
import { promisedDevices } from '../../state/promises.js'
import { counted, type Output } from '../output.js'
import type { Surroundings } from '../verb.js'

const RUN_FOLDER = '/run/sriov-cni'
/** Where the device plugin describes devices for Multus; other device plugins do as well. */
const DEVICE_INFO = '/run/k8s.cni.cncf.io/devinfo/dp'
const PCI = `${NODE_FOLDER}/pci`
const LOCKS: readonly string[] = ['pf_lock', 'vf_lock']

export type PurgePorts = Pick<Surroundings, 'askResident' | 'askDevicePlugin' | 'removeTree' | 'removeIfEmpty'>

/** Why nothing may be removed now; undefined when it may. */
async function obstacleOf(host: CallHost, ports: PurgePorts): Promise<string | undefined> {
  if ((await ports.askResident()).reaction !== 'absent') {
    return 'the resident process is at work'
  }
  if ((await ports.askDevicePlugin()) !== 'absent') {
    return 'the device plugin is at work'
  }
  return usersOf(host)
}

/** Which devices pods have, or have not given back; undefined when none. */
async function usersOf(host: CallHost): Promise<string | undefined> {
  const { vfs, others } = await survey(host)
  const used = [...vfs, ...others].filter(
    ({ verdict: { state } }) => state === 'in-use' || BAD_STATES.includes(state),
  ).length
  return used === 0 ? undefined : `${counted(used, 'device')} ${used === 1 ? 'is' : 'are'} in use, or not given back`
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
    out.write(`nothing is removed: ${obstacle}\n`)
    return 1
  }
  out.write(paths.length === 0 ? 'there is nothing to remove\n' : paths.map((path) => `${path}\n`).join(''))
  return 0
}
