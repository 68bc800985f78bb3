/** What is wrong between kubelet, its device plugin, and what this plugin chooses. */
import { isJsonObject, type JsonObject, valueAt } from '../../cni/json.js'
import type { NetConf } from '../../cni/netconf.js'
import { readSelectors, type Selectors } from '../../cni/selectors.js'
import type { FilePort } from '../../host/ports.js'
import { checkpointPath, emptyResources, kubeletDevices } from '../../node/kubelet.js'
import { candidates } from '../../sriov/device/select.js'
import type { CallHost } from '../../state/folder.js'
import type { Checked } from '../conf/validate.js'
import type { Finding } from './findings.js'

/** Where the SR-IOV network device plugin reads its resources (its README, "Configurations"). */
const DEVICE_PLUGIN_FILE = '/etc/pcidp/config.json'
const DEFAULT_PREFIX = 'intel.com'

const NOBODY = { isFree: () => true }

function countOf(files: FilePort, selectors: Selectors): number {
  try {
    return candidates(files, { by: 'selectors', selectors, text: '' }, NOBODY).length
  } catch {
    return 0
  }
}

/** How many VFs are left after each selector: the one that leaves none is the cause. */
function countsAfter(files: FilePort, given: JsonObject): string {
  const all = Object.entries(readSelectors(given, []))
  return all
    .map(([key, value], i) => {
      const left = countOf(files, Object.fromEntries(all.slice(0, i + 1)) as Selectors)
      return `${left} after ${key} ${JSON.stringify(value)}`
    })
    .join(', ')
}

/** The selectors of a resource in the device plugin's file; undefined when it is not there. */
function selectorsOf(files: FilePort, resource: string): readonly JsonObject[] | undefined {
  let list: unknown
  try {
    list = valueAt(JSON.parse(files.readText(DEVICE_PLUGIN_FILE) ?? ''), 'resourceList')
  } catch {
    return undefined
  }
  const found = (Array.isArray(list) ? list : []).find(
    (one) => `${valueAt(one, 'resourcePrefix') ?? DEFAULT_PREFIX}/${valueAt(one, 'resourceName')}` === resource,
  )
  return found === undefined ? undefined : [valueAt(found, 'selectors')].flat().filter(isJsonObject)
}

function emptyFinding(files: FilePort, resource: string): Finding {
  const selectors = selectorsOf(files, resource)
  const why =
    selectors === undefined
      ? `${DEVICE_PLUGIN_FILE} does not have it`
      : `of the VFs here its selectors leave ${selectors.map((one) => countsAfter(files, one)).join('; or ')}`
  return {
    id: 'kubelet-resource-empty',
    subject: resource,
    message: `kubelet has no device of it: ${why}`,
    remedy: [`# Correct the selectors in ${DEVICE_PLUGIN_FILE}, and start the device plugin again.`],
  }
}

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

export function kubeletFindings(host: CallHost, checked: readonly Checked[]): Finding[] {
  const { files } = host
  const { kubeletFolder } = host.policy
  const reserved = kubeletDevices(files, kubeletFolder)
  if (reserved === 'unknown') {
    return [
      {
        id: 'kubelet-checkpoint-unknown',
        subject: checkpointPath(kubeletFolder),
        message: 'cannot be understood',
        remedy: [
          '# Name VFs by deviceID, or set kubeletFolder in /etc/sriov-cni/policy.json where there is no kubelet.',
        ],
      },
    ]
  }
  const shared = checked.flatMap(({ network, conf }): Finding[] => {
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
  return [...emptyResources(files, kubeletFolder).map((resource) => emptyFinding(files, resource)), ...shared]
}
