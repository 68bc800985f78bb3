import { linksIn } from '../host/kernel-view.js'
import { ALL_VFS, OTHER_PF, PF } from '../host/virtual-functions.js'
import { type Conf, DEFAULT_IFNAME } from './plugin.js'
import type { Pod } from './pods.js'

/** The VFs of the second card. */
export const OTHER_VFS = ALL_VFS.filter(({ pf }) => pf === OTHER_PF)

/** A configuration that names no VF. */
export const openConf = (more: Conf): Conf => ({ cniVersion: '1.0.0', name: 'lab', type: 'sriov', ...more })

/** The same: any VF of the first card. */
export const pfConf = (more: Conf = {}): Conf => openConf({ master: PF, ...more })

/** The VF that is in a pod, as the host calls it. */
export async function vfIn(pod: Pod, ifName = DEFAULT_IFNAME): Promise<string> {
  const found = (await linksIn(pod)).find(({ ifname }) => ifname === ifName)
  return ALL_VFS.find(({ pci }) => pci === found?.parentdev)?.name ?? `no VF is ${ifName}`
}
