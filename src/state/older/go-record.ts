/**
 * Attachments that the Go sriov-cni left when a node moved to this plugin. Its record is its configuration with
 * `OrigVfState`, under the same file name as ours; the pod's namespace is in the mark of the VF. The Go plugin gives
 * back only what the configuration had set (ResetVFConfig in pkg/sriov/sriov.go), so only that is recorded as original.
 */
import { isJsonObject, type JsonObject } from '../../cni/json.js'
import type { FilePort } from '../../host/ports.js'
import { ZERO_MAC } from '../../netlink/mac.js'
import type { LinkState, VfSettings } from '../../netlink/vf-info.js'
import { bootIdOf } from '../../node/boot.js'
import type { PciAddress } from '../../pci/address.js'
import { readMark } from '../marks.js'
import { type AttachmentKey, type AttachmentRecord, type IpamCall, RECORD_SCHEMA } from '../record.js'

const LINK_STATES: readonly LinkState[] = ['auto', 'enable', 'disable']
const ETH_P_8021AD = 34984

const textOf = (object: JsonObject, key: string): string => {
  const value = object[key]
  return typeof value === 'string' ? value : ''
}
const numberOf = (object: JsonObject, key: string): number => {
  const value = object[key]
  return typeof value === 'number' ? value : 0
}
const has = (object: JsonObject, key: string): boolean =>
  object[key] !== undefined && object[key] !== null && object[key] !== ''

/** The original values of the VF settings that it changed. Versions before 2.8 kept no trust: they turned it off. */
function originalSettings(conf: JsonObject, original: JsonObject): Partial<VfSettings> {
  const hasRate = has(conf, 'min_tx_rate') || has(conf, 'max_tx_rate')
  return {
    ...(has(conf, 'vlan') && {
      vlan: numberOf(original, 'Vlan'),
      vlanQoS: numberOf(original, 'VlanQoS'),
      vlanProto: numberOf(original, 'VlanProto') === ETH_P_8021AD ? '802.1ad' : '802.1q',
    }),
    ...(has(conf, 'MAC') && { mac: textOf(original, 'AdminMAC').toLowerCase() || ZERO_MAC }),
    ...(hasRate && { minTxRateMbps: numberOf(original, 'MinTxRate'), maxTxRateMbps: numberOf(original, 'MaxTxRate') }),
    ...(has(conf, 'spoofchk') && { spoofchk: original.SpoofChk === true }),
    ...(has(conf, 'trust') && { trust: original.Trust === true }),
    ...(has(conf, 'link_state') && { linkState: LINK_STATES[numberOf(original, 'LinkState')] ?? 'auto' }),
  }
}

function ipamOf(conf: JsonObject, key: AttachmentKey, netnsPath: string): { ipam?: IpamCall } {
  const type = isJsonObject(conf.ipam) ? textOf(conf.ipam, 'type') : ''
  return type === ''
    ? {}
    : {
        ipam: {
          type,
          stdin: JSON.stringify(conf),
          environment: {
            CNI_CONTAINERID: key.containerId,
            CNI_IFNAME: key.ifName,
            CNI_NETNS: netnsPath,
          },
        },
      }
}

/** Converts a record of the Go sriov-cni to one of ours, complete enough to give the VF back. */
export function adoptGoRecord(
  files: FilePort,
  key: AttachmentKey,
  conf: JsonObject,
  deviceId: PciAddress,
): AttachmentRecord {
  const original = conf.OrigVfState as JsonObject
  const netnsPath = readMark(files, deviceId) ?? ''
  return {
    schema: RECORD_SCHEMA,
    phase: 'attached',
    ...key,
    network: textOf(conf, 'name'),
    // The Go plugin records no identity: assume that the namespace at this path is the pod's.
    netns: { path: netnsPath, device: '', inode: '' },
    bootId: bootIdOf(files),
    deviceId,
    driver: '',
    original: {
      netdev: {
        name: textOf(original, 'HostIFName'),
        ...(has(original, 'EffectiveMAC') && { mac: textOf(original, 'EffectiveMAC').toLowerCase() }),
        ...(numberOf(original, 'MTU') > 0 && { mtu: numberOf(original, 'MTU') }),
        isUp: false,
        isPromisc: false,
        isAllmulti: false,
      },
    },
    pf: {
      address: '',
      name: textOf(conf, 'Master'),
      vfIndex: numberOf(conf, 'VFID'),
      vf: originalSettings(conf, original),
    },
    ...(has(conf, 'MAC') && { releaseAdminMac: textOf(original, 'AdminMAC').toLowerCase() || ZERO_MAC }),
    wanted: { vf: {}, netdev: {} },
    ...ipamOf(conf, key, netnsPath),
  }
}
