/** Checks made before a VF is bound for a program in user space (DPDK). */
import type { WantedNetdev } from '../../cni/conf/wanted.js'
import { type ConfigIssue, PluginError } from '../../errors.js'
import type { FilePort, Host } from '../../host/ports.js'
import { iommuGroupOf, isNoIommuOn, isUserspaceDriver } from '../../pci/driver.js'
import { kernelDriverRefusal } from '../../policy/drivers.js'
import type { CallHost } from '../../state/folder.js'
import type { RecordedDpdk } from '../../state/record.js'
import { type DeviceLocation, describeDevice, type HostPresence } from '../device/locate.js'
import { loadDriver } from '../driver/driver-loading.js'
import type { AttachRequest } from './attachment.js'

const VFIO = 'vfio-pci'

/** How the VF is to be bound. Undefined when the pod gets a network interface. */
export function planDpdk(
  { conf }: Pick<AttachRequest, 'conf'>,
  { driver, netdev }: HostPresence,
): RecordedDpdk | undefined {
  const wanted = conf.dpdk
  if (!wanted && netdev) {
    return undefined
  }
  return {
    driver: wanted?.driver ?? driver,
    kernelDriver: wanted?.kernelDriver ?? driver,
    ...(wanted?.tool !== undefined && { tool: wanted.tool }),
  }
}

const needsInterface = (key: string): ConfigIssue => ({
  key,
  problem: 'needs a network interface in the pod, and a VF for DPDK has none',
})

function interfaceIssues({ mtu, promisc, allmulti }: WantedNetdev): ConfigIssue[] {
  return Object.entries({ mtu, promisc, allmulti }).flatMap(([key, value]) =>
    value === undefined ? [] : [needsInterface(key)],
  )
}

/** The settings of the configuration that are impossible for a VF without an interface in the pod. */
export function dpdkIssues(
  files: FilePort,
  { conf, location }: Pick<AttachRequest, 'conf' | 'location'>,
  { driver, netdev }: HostPresence,
): ConfigIssue[] {
  const { dpdk, ipamType } = conf
  const isItself = dpdk && dpdk.driver === driver && netdev
  const { tool, kernelDriver } = dpdk ?? {}
  // A VF that has an interface now must get one again on release.
  const isNoKernelDriver =
    netdev && kernelDriver !== undefined && (isUserspaceDriver(kernelDriver) || kernelDriver === dpdk?.driver)
  return [
    ...interfaceIssues(conf.netdev),
    ...(conf.vf.mac !== undefined && !location.vf
      ? [
          {
            key: 'mac',
            problem: `needs the PF of the VF, and ${describeDevice(location)} has none that can be seen from here`,
          },
        ]
      : []),
    ...(ipamType === 'dhcp' ? [needsInterface('ipam.type dhcp')] : []),
    ...(isItself
      ? [{ key: 'dpdk.dpdk_driver', problem: `${driver} is the driver that gives ${location.address} its interface` }]
      : []),
    ...(isNoKernelDriver
      ? [{ key: 'dpdk.kernel_driver', problem: `${kernelDriver} is no driver that gives a VF an interface` }]
      : []),
    ...(tool !== undefined && !files.isExecutable(tool)
      ? [{ key: 'dpdk.dpdk_tool', problem: `${tool} is no program that can be run` }]
      : []),
  ]
}

function refuse(message: string): never {
  throw new PluginError({ kind: 'device', message })
}

/** Checks what vfio needs of the machine before it takes a function. Otherwise the kernel only says EINVAL. */
function requireIommu(files: FilePort, request: AttachRequest): void {
  const { location } = request
  const who = describeDevice(location)
  const group = iommuGroupOf(files, location.address)
  if (!group && !isNoIommuOn(files)) {
    refuse(
      `${who} cannot be bound to ${VFIO}: it is in no IOMMU group. Switch the IOMMU on in the firmware and boot with intel_iommu=on (AMD: amd_iommu=on), or allow vfio to work without one (modprobe vfio enable_unsafe_noiommu_mode=1), which is not safe`,
    )
  }
  if (group && group.strangers.length > 0) {
    const others = group.strangers.map(({ address, driver }) => `${address} (driver ${driver})`).join(', ')
    refuse(
      `${who} cannot be bound to ${VFIO}: its IOMMU group ${group.number} has other devices that are in use: ${others}. Bind them to ${VFIO}, too, or use a slot whose functions have groups of their own (ACS)`,
    )
  }
}

/** Makes sure that a driver is loaded. @throws PluginError kind `device` saying what to do */
async function requireDriver(host: Host, key: string, driver: string, location: DeviceLocation): Promise<void> {
  const missing = await loadDriver(host, driver)
  if (missing !== undefined) {
    refuse(`${key}: ${missing}; modprobe ${driver} on this node (${describeDevice(location)})`)
  }
}

/**
 * Makes sure, before anything is changed, that the VF can be bound and later bound back. Loads drivers that are not
 * loaded.
 * @throws PluginError kind `device` saying what to do; kind `policy`
 */
export async function requireBindable(
  host: CallHost,
  request: AttachRequest,
  { driver, kernelDriver }: RecordedDpdk,
  presence: HostPresence,
): Promise<void> {
  const { location } = request
  const device = { address: location.address, present: presence.driver }
  const refusal = kernelDriverRefusal(host.files, host.policy, kernelDriver, device)
  if (refusal !== undefined) {
    throw new PluginError({ kind: 'policy', refusals: [{ key: 'dpdk.kernel_driver', problem: refusal }] })
  }
  if (kernelDriver !== presence.driver) {
    await requireDriver(host, 'dpdk.kernel_driver', kernelDriver, location)
  }
  if (driver !== presence.driver) {
    await requireDriver(host, 'dpdk.dpdk_driver', driver, location)
    if (driver === VFIO) {
      requireIommu(host.files, request)
    }
  }
}
