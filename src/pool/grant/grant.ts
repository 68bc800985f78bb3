/** What a container gets for its devices: what the SR-IOV network device plugin gives (its README, "Pod device information"). */
import type { FilePort } from '../../host/ports.js'
import type { DeviceNode, Grant } from '../../kubelet/offer.js'
import { deviceFilesOf, iommuGroupOf, isInUserspace, rdmaDeviceOf, rdmaNodesOf } from '../../pci/driver.js'
import type { AdditionalInfo, ResourceConf } from '../conf/conf.js'
import type { PoolDevice } from '../devices/pools.js'

const VFIO = '/dev/vfio/vfio'
const VHOST_NET = '/dev/vhost-net'
const TUN = '/dev/net/tun'

/** Facts about one device for `…_INFO`, by topic. */
type DeviceInfo = Record<string, Readonly<Record<string, string>>>

/** What one device brings into the container. */
export interface DeviceGrant {
  readonly nodes: readonly DeviceNode[]
  readonly info: DeviceInfo
}

const node = (path: string): DeviceNode => ({ path, permissions: 'rw' })

/** The topic of an RDMA character device: `uverbs` of /dev/infiniband/uverbs0. */
const topicOf = (path: string): string => path.replace(/^.*\//, '').replace(/\d+$/, '')

function whyNoFile(files: FilePort, address: string): string {
  const group = iommuGroupOf(files, address)
  if (!group) {
    return 'the IOMMU is off'
  }
  return group.isShared
    ? `its IOMMU group ${group.number} has other devices, too`
    : `there is no /dev/vfio/${group.number}`
}

function userspaceGrant(files: FilePort, address: string): DeviceGrant {
  const own = deviceFilesOf(files, address)
  const uio = own.filter((path) => path.startsWith('/dev/uio'))
  // The character device of a vfio device (since Linux 6.6) needs an iommufd, which no program asks us for.
  const groups = own.filter((path) => path.startsWith('/dev/vfio/') && !path.startsWith('/dev/vfio/devices/'))
  const group = groups.find((path) => files.exists(path))
  if (group === undefined && uio.length === 0) {
    throw new Error(`${address} has no device file of its own for a program: ${whyNoFile(files, address)}`)
  }
  return {
    nodes: [
      ...(group === undefined ? [] : [node(VFIO), node(group)]),
      ...uio.map((path): DeviceNode => ({ path, permissions: 'mrw' })),
    ],
    info: {
      ...(group !== undefined && { vfio: { mount: VFIO, 'dev-mount': group } }),
      ...(uio[0] !== undefined && { uio: { mount: uio[0] } }),
    },
  }
}

function rdmaGrant(files: FilePort, address: string): DeviceGrant {
  const device = rdmaDeviceOf(files, address)
  if (device === undefined) {
    throw new Error(`${address} has no RDMA device now; is the RDMA module of its driver loaded?`)
  }
  const nodes = rdmaNodesOf(files, device)
  return {
    nodes: nodes.map(node),
    info: { rdma: { rdma_dev: device, ...Object.fromEntries(nodes.map((path) => [topicOf(path), path])) } },
  }
}

function vhostGrant(files: FilePort): DeviceGrant {
  for (const path of [VHOST_NET, TUN]) {
    if (!files.exists(path)) {
      throw new Error(`needVhostNet: ${path} is not on this node; load vhost_net and tun`)
    }
  }
  return { nodes: [node(VHOST_NET), node(TUN)], info: { vhost: { 'net-mount': VHOST_NET, 'tun-mount': TUN } } }
}

function extraOf(info: AdditionalInfo, address: string): DeviceInfo {
  const extra = { ...info['*'], ...info[address] }
  return Object.keys(extra).length === 0 ? {} : { extra }
}

/** @throws Error with a sentence when the node lacks what the resource promises */
export function deviceGrant(files: FilePort, { additionalInfo }: ResourceConf, device: PoolDevice): DeviceGrant {
  const { address, choice } = device
  const parts: DeviceGrant[] = [
    ...(isInUserspace(files, address) ? [userspaceGrant(files, address)] : []),
    ...(choice.isRdma ? [rdmaGrant(files, address)] : []),
    ...(choice.needsVhostNet ? [vhostGrant(files)] : []),
  ]
  return {
    nodes: parts.flatMap(({ nodes }) => nodes),
    info: Object.assign(
      { generic: { deviceID: address } },
      ...parts.map(({ info }) => info),
      extraOf(additionalInfo, address),
    ),
  }
}

/** `intel.com/sriov_a` as part of the name of an environment variable. */
export const environmentName = (resource: string): string =>
  `PCIDEVICE_${resource.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`

/** One device file once, however many devices need it. */
const distinct = (nodes: readonly DeviceNode[]): DeviceNode[] =>
  nodes.filter(({ path }, i) => nodes.findIndex((one) => one.path === path) === i)

/** @throws Error with a sentence when the node lacks what the resource promises */
export function grantOf(files: FilePort, conf: ResourceConf, devices: readonly PoolDevice[]): Grant {
  const grants = devices.map((device) => deviceGrant(files, conf, device))
  const addresses = devices.map(({ address }) => address)
  const name = environmentName(conf.resource)
  return {
    environment: {
      [name]: addresses.join(','),
      [`${name}_INFO`]: JSON.stringify(Object.fromEntries(grants.map(({ info }, i) => [addresses[i], info]))),
    },
    nodes: distinct(grants.flatMap(({ nodes }) => nodes)),
    cdiDevices: [],
  }
}
