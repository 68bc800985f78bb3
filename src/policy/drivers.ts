/** Which drivers and tools a configuration may name for a program in user space. */
import type { WantedDpdk } from '../cni/conf/wanted.js'
import type { ConfigIssue } from '../errors.js'
import type { FilePort } from '../host/ports.js'
import { whyNotUsed } from '../node/trust.js'
import type { PciAddress } from '../pci/address.js'
import { isUserspaceDriver } from '../pci/driver.js'
import { claimsDevice } from '../pci/module-aliases.js'
import { plainPath } from './paths.js'
import { DEVBIND, type Policy, ruleText } from './policy.js'

/** Drivers of the kernel that do for one card what vfio-pci does for all, as the kernel names them. */
const VFIO_VARIANT = /^[a-z0-9]+([_-][a-z0-9]+)*[_-]vfio[_-]pci$/

/** Why the tool may not be run; undefined when it may. It runs as root, so only root may have put it there. */
export function toolRefusal(files: FilePort, policy: Policy, tool: string): string | undefined {
  const { dpdkTools } = policy
  const plain = plainPath(tool)
  const isAllowed = plain !== undefined && dpdkTools.some((one) => plain === one || plain === `${one}/${DEVBIND}`)
  return isAllowed
    ? whyNotUsed(files, plain)
    : `${JSON.stringify(tool)} is none of the tools allowed; ${ruleText(policy, 'dpdkTools', dpdkTools)}`
}

/** What of `dpdk` the policy does not allow, whatever the device is. */
export function dpdkRefusals(files: FilePort, policy: Policy, { driver, tool }: WantedDpdk): ConfigIssue[] {
  const { dpdkDrivers } = policy
  const isAllowed = dpdkDrivers ? dpdkDrivers.includes(driver) : isUserspaceDriver(driver) || VFIO_VARIANT.test(driver)
  const toolProblem = tool === undefined ? undefined : toolRefusal(files, policy, tool)
  const rule = dpdkDrivers ?? 'vfio-pci, its variants, uio_pci_generic, igb_uio'
  return [
    ...(isAllowed
      ? []
      : [{ key: 'dpdk.dpdk_driver', problem: `${driver} is not allowed; ${ruleText(policy, 'dpdkDrivers', rule)}` }]),
    ...(toolProblem === undefined ? [] : [{ key: 'dpdk.dpdk_tool', problem: toolProblem }]),
  ]
}

/** Why the device may not be given this driver on release; undefined when it may. `present` is its driver now. */
export function kernelDriverRefusal(
  files: FilePort,
  policy: Policy,
  wanted: string,
  { address, present }: { readonly address: PciAddress; readonly present: string },
): string | undefined {
  const { kernelDrivers } = policy
  const isAllowed = kernelDrivers?.includes(wanted) ?? (wanted === present || claimsDevice(files, wanted, address))
  const rule = kernelDrivers ?? 'the present driver, and those that claim the device (modules.alias)'
  return isAllowed ? undefined : `${wanted} is not allowed; ${ruleText(policy, 'kernelDrivers', rule)}`
}
