/** `sriovctl purge`: removes what the plugin keeps on a node, once no pod needs it. */
import { NODE_FOLDER } from '../../cni/folders.js'
import { CLUSTER_FOLDER } from '../../policy/policy.js'
import { survey } from '../../sriov/survey/survey.js'
import { BAD_STATES } from '../../sriov/survey/vf-state.js'
import type { CallHost } from '../../state/folder.js'
import { promisedDevices } from '../../state/promises.js'
import { counted, type Output } from '../output.js'
import type { Surroundings } from '../verb.js'

const RUN_FOLDER = '/run/sriov-cni'
/** Where the device plugin describes devices for Multus; other device plugins do as well. */
const DEVICE_INFO = '/run/k8s.cni.cncf.io/devinfo/dp'
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
  const { vfs, others } = await survey(host)
  const used = [...vfs, ...others].filter(
    ({ verdict: { state } }) => state === 'in-use' || BAD_STATES.includes(state),
  ).length
  return used === 0 ? undefined : `${counted(used, 'device')} ${used === 1 ? 'is' : 'are'} in use, or not given back`
}

/** Files of this plugin. What the Go sriov-cni has in the same folder stays: its records, and its marks in pci. */
function ownPaths({ files }: CallHost): readonly string[] {
  const inPci = files.list(`${NODE_FOLDER}/pci`)
  const descriptions = [...promisedDevices(files).keys()].flatMap((device) =>
    files.list(DEVICE_INFO).filter((name) => name.endsWith(`-${device}-device.json`)),
  )
  return [
    ...descriptions.map((name) => `${DEVICE_INFO}/${name}`),
    ...files
      .list(NODE_FOLDER)
      .filter((name) => name.startsWith('.'))
      .map((name) => `${NODE_FOLDER}/${name}`),
    ...(inPci.length > 0 && inPci.every((name) => LOCKS.includes(name)) ? [`${NODE_FOLDER}/pci`] : []),
    ...[CLUSTER_FOLDER, RUN_FOLDER].filter((path) => files.exists(path)),
  ]
}

/** Says what would be removed, or removes it. Returns the exit code: 1 while a pod or a process needs it. @throws PluginError */
export async function purge(
  host: CallHost,
  out: Output,
  ports: PurgePorts,
  { apply }: { readonly apply?: true },
): Promise<number> {
  const obstacle = await obstacleOf(host, ports)
  if (obstacle !== undefined) {
    out.write(`nothing is removed: ${obstacle}\n`)
    return 1
  }
  const paths = ownPaths(host)
  for (const path of apply ? paths : []) {
    ports.removeTree(path)
  }
  for (const folder of apply ? [NODE_FOLDER, '/var/lib/cni', DEVICE_INFO, '/run/k8s.cni.cncf.io/devinfo'] : []) {
    ports.removeIfEmpty(folder)
  }
  if (apply) {
    ports.removeIfEmpty('/run/k8s.cni.cncf.io')
  }
  out.write(paths.length === 0 ? 'there is nothing to remove\n' : paths.map((path) => `${path}\n`).join(''))
  return 0
}
