/** What is wrong between kubelet and what configurations choose. */
import type { NetConf } from '../../cni/conf/netconf.js'
import { checkpointPath, kubeletDevices } from '../../node/kubelet.js'
import { candidates } from '../../sriov/device/select.js'
import type { CallHost } from '../../state/folder.js'
import type { Checked } from '../conf/validate.js'
import type { Finding } from './findings.js'

const NOBODY = { isFree: () => true }

/** The VFs among which a configuration chooses; none where it names one, or its PF is not there. */
function chosenFrom({ files }: CallHost, { device }: NetConf): readonly string[] {
  if (device?.by !== 'pf' && device?.by !== 'selectors') {
    return []
  }
  try {
    return candidates(files, device, NOBODY).map(({ address }) => address)
  } catch {
    return []
  }
}

function isDamaged(text: string): boolean {
  try {
    JSON.parse(text)
    return false
  } catch {
    return true
  }
}

export function kubeletFindings(host: CallHost, checked: readonly Checked[]): Finding[] {
  const { files } = host
  const { kubeletFolder } = host.policy
  const reserved = kubeletDevices(files, kubeletFolder)
  if (reserved === 'unknown') {
    return [
      {
        id: 'kubelet-checkpoint-unknown',
        subject: checkpointPath(kubeletFolder),
        message: isDamaged(files.readText(checkpointPath(kubeletFolder)) ?? '')
          ? 'is no complete JSON: it was damaged, by a full disk or a power cut'
          : 'has a form that is not known here',
        remedy: [
          '# Kubelet writes it anew when it starts: systemctl restart kubelet. Until then name VFs by deviceID.',
        ],
      },
    ]
  }
  return checked.flatMap(({ network, conf }): Finding[] => {
    const vfs = conf ? chosenFrom(host, conf) : []
    const both = vfs.filter((address) => reserved.has(address))
    return both.length === 0
      ? []
      : [
          {
            id: 'pool-and-choice',
            subject: `${network.file}:${network.lineOf('type')}`,
            message: `chooses among ${vfs.length} VFs, of which kubelet’s device plugin hands out ${both.length}: those are left alone`,
            remedy: ['# Leave them out of one of the two: of the device plugin’s resource, or of this configuration.'],
          },
        ]
  })
}
