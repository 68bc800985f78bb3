import type { Vf } from '../host/virtual-functions.js'
import { type Conf, call, hostLocal, netConf } from './plugin.js'

/** A configuration for GC that leaves no attachment of the lab's network valid. */
export const gcConf = (vf: Vf, more: Conf = hostLocal()): Conf =>
  netConf(vf, { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [], ...more })

/** GC knows no container. */
export const GC_ENVIRONMENT = { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '' } as const

export const NO_POD = { name: '', containerId: '', netns: '' } as const

/** Releases every attachment of the lab's network; must succeed. */
export async function collectGarbage(vf: Vf): Promise<void> {
  const { exitCode, stdout, stderr } = await call('GC', NO_POD, gcConf(vf), { env: GC_ENVIRONMENT })
  if (exitCode !== 0) {
    throw new Error(`GC failed: ${stdout}${stderr}`)
  }
}
