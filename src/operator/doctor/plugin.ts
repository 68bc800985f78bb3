/** What is wrong with the kernel, the installed plugin and its resident process. */
import type { Resident } from '../../daemon/probe.js'
import { RESIDENT_SOCKET } from '../../daemon/protocol.js'
import { messageOf } from '../../errors.js'
import { missingFeatures, requireSupportedKernel } from '../../node/kernel-release.js'
import { CLUSTER_FOLDER } from '../../policy/policy.js'
import type { CallHost } from '../../state/folder.js'
import type { Finding } from './findings.js'

function ofKernel({ files }: CallHost): Finding[] {
  try {
    requireSupportedKernel(files)
    return missingFeatures(files).map((what) => ({
      id: 'kernel-lacks',
      subject: 'the kernel',
      message: `has no ${what}`,
      remedy: ['# Nothing is needed.'],
    }))
  } catch (error) {
    return [
      {
        id: 'kernel-too-old',
        subject: 'the kernel',
        message: messageOf(error),
        remedy: ['# Upgrade the kernel (docs/kernels.md).'],
      },
    ]
  }
}

function ofInstallation({ files, cniPath }: CallHost, hasNetworks: boolean): Finding[] {
  return !hasNetworks || files.isExecutable(`${cniPath}/sriov`)
    ? []
    : [
        {
          id: 'plugin-missing',
          subject: `${cniPath}/sriov`,
          message: 'is not there, or cannot be run',
          remedy: ['# Install it (README), or look where the runtime keeps its CNI plugins.'],
        },
      ]
}

/** The DaemonSet's pod on this node (deploy/kubernetes). Its namespace differs from cluster to cluster. */
const POD = `pod -A -l app.kubernetes.io/name=sriov-cni --field-selector spec.nodeName=$(hostname)`

function ofResident({ files, cniPath }: CallHost, { reaction, folder }: Resident): Finding[] {
  const isFromCluster = files.exists(CLUSTER_FOLDER)
  const restart = [
    isFromCluster ? `kubectl get ${POD}   # delete it, and another one comes` : 'systemctl restart sriov-cni',
  ]
  if (reaction === 'hung') {
    return [{ id: 'resident-hung', subject: RESIDENT_SOCKET, message: 'is there, and nobody answers', remedy: restart }]
  }
  if (reaction === 'absent') {
    return [
      {
        id: 'resident-absent',
        subject: RESIDENT_SOCKET,
        message: 'nobody listens',
        remedy: [isFromCluster ? `kubectl get ${POD}   # its log says why` : 'systemctl enable --now sriov-cni'],
      },
    ]
  }
  const current = files.readLink(`${cniPath}/.sriov/current`)
  const own = folder?.slice(folder.lastIndexOf('/') + 1)
  return current !== undefined && own !== undefined && folder?.startsWith(cniPath) && own !== current
    ? [
        {
          id: 'resident-other-version',
          subject: 'the resident process',
          message: `runs from ${own}, installed is ${current}`,
          remedy: restart,
        },
      ]
    : []
}

export const pluginFindings = (host: CallHost, resident: Resident, hasNetworks: boolean): Finding[] => [
  ...ofKernel(host),
  ...ofInstallation(host, hasNetworks),
  ...ofResident(host, resident),
]
