/** The network definitions of the cluster, by kubectl: it knows every way to log in to one. */
import type { Host } from '../../host/ports.js'
import { programPath, runProgram } from '../programs.js'
import { networksInCluster, type Read } from './networks.js'

const DEFINITIONS = 'network-attachment-definitions.k8s.cni.cncf.io'

/** @throws Error when there is no kubectl, or the cluster does not answer */
export async function networksOfCluster(host: Host, kubeconfig: string): Promise<Read> {
  const path = programPath(host, 'kubectl')
  if (path === undefined) {
    throw new Error('--kubeconfig needs kubectl on this node')
  }
  const args = ['get', DEFINITIONS, '--all-namespaces', '--output=json', `--kubeconfig=${kubeconfig}`]
  const { status, stdout, stderr } = await runProgram(host, path, { args })
  if (status !== 0) {
    throw new Error(`kubectl: ${stderr.trim() || `exit status ${status}`}`)
  }
  return networksInCluster(stdout)
}
