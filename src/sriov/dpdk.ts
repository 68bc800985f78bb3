/** A VF for a program in user space (DPDK): no interface moves; the PF's settings count, and the driver. */

import type { ResultInterface } from '../cni/result.js'
import type { WantedNetdev } from '../cni/wanted.js'
import { type ConfigIssue, PluginError } from '../errors.js'
import type { FilePort, Host } from '../host/ports.js'
import { ZERO_MAC } from '../netlink/mac.js'
import { driverOverrideOf, iommuGroupOf, isNoIommuOn, isUserspaceDriver } from '../pci/driver.js'
import { changeLink } from '../rtnl/link.js'
import { noteAttachment } from '../state/attachments.js'
import type { RecordedDpdk } from '../state/record.js'
import { applyVfSteps } from './apply.js'
import type { Attachment, AttachRequest, Findings, Progress } from './attachment.js'
import { pfWriter, vfTarget } from './attachment.js'
import { bind } from './binding.js'
import { loadDriver } from './driver-loading.js'
import { type DeviceLocation, describeDevice, type HostPresence } from './locate.js'
import { adminMacToRelease, macStep, trySetMac } from './mac.js'
import { planVf } from './plan.js'
import { podIfName } from './pod-names.js'

const VFIO = 'vfio-pci'

/** How the VF is to be bound; undefined where the pod gets a network interface. */
export function planDpdk({ conf }: AttachRequest, { driver, netdev }: HostPresence): RecordedDpdk | undefined {
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

function netdevIssues({ mtu, promisc, allmulti }: WantedNetdev): ConfigIssue[] {
  return Object.entries({ mtu, promisc, allmulti }).flatMap(([key, value]) =>
    value === undefined ? [] : [needsInterface(key)],
  )
}

/** What of the configuration cannot be with a VF that has no interface in the pod. */
export function dpdkIssues(
  files: FilePort,
  { conf, location }: AttachRequest,
  { driver, netdev }: HostPresence,
): ConfigIssue[] {
  const { dpdk, ipamType } = conf
  const isItself = dpdk && dpdk.driver === driver && netdev
  const { tool, kernelDriver } = dpdk ?? {}
  // With an interface before, there is to be one afterwards.
  const isNoKernelDriver =
    netdev && kernelDriver !== undefined && (isUserspaceDriver(kernelDriver) || kernelDriver === dpdk?.driver)
  return [
    ...netdevIssues(conf.netdev),
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

/** What vfio needs of the machine before it takes a function, or the kernel says EINVAL and nothing more. */
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

/** Makes sure that a driver is there. @throws PluginError kind `device` saying what to do */
async function requireDriver(host: Host, key: string, driver: string, location: DeviceLocation): Promise<void> {
  const missing = await loadDriver(host, driver)
  if (missing !== undefined) {
    refuse(`${key}: ${missing}; modprobe ${driver} on this node (${describeDevice(location)})`)
  }
}

/**
 * Makes sure that the VF can be bound, and back, before anything is changed. Drivers that are not loaded are loaded.
 * @throws PluginError kind `device` saying what to do
 */
export async function requireBindable(
  host: Host,
  request: AttachRequest,
  { driver, kernelDriver }: RecordedDpdk,
  presence: HostPresence,
): Promise<void> {
  const { location } = request
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

/** Lets the PF administer the MAC: it is the only one that a program in user space will see. */
async function noteMac(attachment: Attachment, findings: Findings, progress: Progress, mac: string): Promise<void> {
  const { host, conf, hostRtnl, location } = attachment
  const { pfSide, netdev, driver } = findings
  if (pfSide && progress.record.releaseAdminMac === undefined) {
    // By trial: a VF that may set its own MAC has none administered.
    const couldSetMac =
      netdev !== undefined &&
      pfSide.vf.mac !== mac &&
      (await trySetMac(hostRtnl, netdev.index, mac, { target: `${netdev.name} (${location.address})`, driver }))
    progress.record = { ...progress.record, releaseAdminMac: adminMacToRelease(pfSide.vf, couldSetMac) }
    noteAttachment(host.files, conf.cniDir, progress.record)
  }
}

async function setUpPf(attachment: Attachment, findings: Findings, progress: Progress): Promise<void> {
  const { conf } = attachment
  const pf = vfTarget(attachment, findings)
  if (!pf || !findings.pfSide) {
    return
  }
  const { mac, ...others } = conf.vf
  if (mac !== undefined) {
    await noteMac(attachment, findings, progress, mac)
  }
  const steps = [...(mac === undefined ? [] : [macStep(mac)]), ...planVf(others, findings.pfSide.vf)]
  await applyVfSteps(pfWriter(attachment), pf, steps)
}

/**
 * The PF's settings first, then the driver: the program in user space finds them when it resets the VF.
 * @returns how the result of the ADD shows the VF: no interface of any namespace
 * @throws PluginError kinds `device`, `kernel`
 */
export async function setUpDpdk(
  attachment: Attachment,
  findings: Findings,
  dpdk: RecordedDpdk,
  progress: Progress,
): Promise<ResultInterface> {
  const { host, conf, location, hostRtnl, lock } = attachment
  const { netdev, driver, pfSide } = findings
  const { address } = location
  if (netdev?.isUp) {
    const blame = { operation: 'take it down', target: `${netdev.name} (${address})`, driver }
    await changeLink(hostRtnl, netdev.index, { isUp: false }, blame)
  }
  await setUpPf(attachment, findings, progress)
  if (dpdk.driver !== driver) {
    const { driverOverride = driverOverrideOf(host.files, address) } = progress.record
    await bind(host, { address, lock, target: describeDevice(location), driverOverride, ...dpdk })
  }
  // Of a VF without one, the program in user space makes up its own.
  const mac = conf.vf.mac ?? pfSide?.vf.mac ?? ZERO_MAC
  return { name: podIfName(attachment), pciID: address, ...(mac !== ZERO_MAC && { mac }) }
}
