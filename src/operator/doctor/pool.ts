/** What is wrong with the resources of the device plugin: its file, resources without devices, devices that two want. */
import { emptyResources } from '../../node/kubelet.js'
import { CLUSTER_FOLDER } from '../../policy/policy.js'
import { type PoolConf, type ResourceConf, readPoolConf } from '../../pool/conf/conf.js'
import { type InventoryDevice, takeInventory } from '../../pool/devices/inventory.js'
import { dealOut, overlapsByPair } from '../../pool/devices/pools.js'
import { DEFAULT_CONF } from '../../pool/options.js'
import type { CallHost } from '../../state/folder.js'
import type { Finding } from './findings.js'

/** How many devices are left after each selector of a choice: the one that leaves none is the cause. */
function countsAfter(host: CallHost, conf: ResourceConf, devices: readonly InventoryDevice[]): string {
  const texts = conf.choices.map((choice) => {
    const all = Object.entries(choice.selectors)
    const counts = all.map(([key, value], i) => {
      const selectors = Object.fromEntries(all.slice(0, i + 1))
      const part: ResourceConf = { ...conf, choices: [{ ...choice, selectors }] }
      return `${dealOut(host.files, [part], devices).pools[0]?.devices.length} after ${key} ${JSON.stringify(value)}`
    })
    const ofType = devices.filter(({ type }) => type === conf.deviceType).length
    return [`${ofType} of deviceType ${conf.deviceType}`, ...counts].join(', ')
  })
  return `of the devices here its selectors leave ${texts.join('; or ')}`
}

const CLUSTER_CONF = `${CLUSTER_FOLDER}/pools.json`

/** The file of the device plugin: that of the DaemonSet (deploy/kubernetes), or that of the unit. */
const confFile = ({ files }: CallHost): string => (files.exists(CLUSTER_CONF) ? CLUSTER_CONF : DEFAULT_CONF)

/** Where an administrator changes the file. */
const placeOf = (file: string): string => (file === CLUSTER_CONF ? 'pools.json of the ConfigMap' : file)

function whyEmpty(
  host: CallHost,
  conf: ResourceConf | undefined,
  devices: readonly InventoryDevice[],
  resources: readonly ResourceConf[],
): string {
  if (!conf) {
    return `${confFile(host)} does not have it`
  }
  const alone = dealOut(host.files, [conf], devices).pools[0]?.devices.length ?? 0
  const [first] = dealOut(host.files, resources, devices).overlaps.filter(({ wants }) => wants === conf.resource)
  return alone > 0 && first
    ? `${first.has}, which comes first, has all ${alone} that it wants`
    : countsAfter(host, conf, devices)
}

function read({ files }: CallHost, file: string): PoolConf | undefined {
  const text = files.readText(file)
  return text === undefined ? undefined : readPoolConf(text, file)
}

function overlapFindings(
  host: CallHost,
  resources: readonly ResourceConf[],
  devices: readonly InventoryDevice[],
): Finding[] {
  const { overlaps } = dealOut(host.files, resources, devices)
  return overlapsByPair(overlaps).map(({ has, wants, devices: both }) => ({
    id: 'pool-overlap',
    subject: wants,
    message: `wants ${both.length} devices that ${has} has, which comes first`,
    remedy: [`# Make the selectors of the two in ${placeOf(confFile(host))} exclude one another.`],
  }))
}

/** @throws PluginError kinds `kernel`, `state`, `netns` */
export async function poolFindings(host: CallHost): Promise<Finding[]> {
  const file = confFile(host)
  const conf = read(host, file)
  const empty = emptyResources(host.files, host.policy.kubeletFolder)
  if (!conf && empty.length === 0) {
    return []
  }
  const { devices } = await takeInventory(host)
  const resources = conf?.resources ?? []
  return [
    ...(conf?.issues ?? []).map(
      ({ key, problem }): Finding => ({
        id: 'pool-conf-invalid',
        subject: file,
        message: key === file ? problem : `${key} ${problem}`,
        remedy: [
          `# Correct ${placeOf(file)}. The device plugin reads it by itself; docs/device-plugin.md has every key.`,
        ],
      }),
    ),
    ...overlapFindings(host, resources, devices),
    ...empty.map(
      (resource): Finding => ({
        id: 'kubelet-resource-empty',
        subject: resource,
        message: `kubelet has no device of it: ${whyEmpty(
          host,
          resources.find((one) => one.resource === resource),
          devices,
          resources,
        )}`,
        remedy: [`# Correct the selectors in ${placeOf(file)}. sriovctl device-plugin reads it by itself.`],
      }),
    ),
  ]
}
