/**
 * Attachments in DPDK mode that intel's plugin 0.x left when a node moved to this plugin. It recorded neither the pod's
 * namespace nor the settings of the VF. On DEL it bound the VF to `kernel_driver` and set its VLAN to 0 (releaseVF() of
 * its sriov.go), so these are recorded as original here.
 */
import type { JsonObject } from '../../cni/json.js'
import type { FilePort } from '../../host/ports.js'
import { bootIdOf } from '../../node/boot.js'
import type { PciAddress } from '../../pci/address.js'
import { type AttachmentKey, type AttachmentRecord, RECORD_SCHEMA } from '../record.js'

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Converts a record of intel's plugin 0.x to one of ours, complete enough to give the VF back. */
export function adoptIntelRecord(
  files: FilePort,
  key: AttachmentKey,
  { kernel_driver, dpdk_driver, dpdk_tool, vfid }: JsonObject,
  deviceId: PciAddress,
): AttachmentRecord {
  const kernelDriver = textOf(kernel_driver)
  const tool = textOf(dpdk_tool)
  return {
    schema: RECORD_SCHEMA,
    phase: 'attached',
    ...key,
    network: '',
    netns: { path: '', device: '', inode: '' },
    bootId: bootIdOf(files),
    deviceId,
    driver: kernelDriver,
    driverOverride: '',
    dpdk: { driver: textOf(dpdk_driver), kernelDriver, ...(tool !== '' && { tool }) },
    original: { netdev: { name: '', isUp: false, isPromisc: false, isAllmulti: false } },
    pf: {
      address: '',
      name: '',
      vfIndex: typeof vfid === 'number' ? vfid : 0,
      vf: { vlan: 0, vlanQoS: 0, vlanProto: '802.1q' },
    },
    wanted: { vf: {}, netdev: {} },
  }
}
