import type { CallArgs } from '../cni/args.js'
import { type ParsedNetConf, requireValid } from '../cni/conf/netconf.js'
import type { WantedNetdev } from '../cni/conf/wanted.js'
import { type CniResult, readResult } from '../cni/result.js'
import { messageOf, PluginError } from '../errors.js'
import type { Netns } from '../host/ports.js'
import { ipamCheck } from '../ipam.js'
import { IFA_F_DADFAILED } from '../netlink/constants.js'
import { parseCidr } from '../netlink/ip.js'
import type { Link } from '../netlink/link.js'
import { isSameAddress } from '../netlink/mac.js'
import type { PciAddress } from '../pci/address.js'
import { driverOf } from '../pci/functions.js'
import { addressesOf } from '../rtnl/address.js'
import { openRtnl } from '../rtnl/connection.js'
import { pciDeviceOf } from '../rtnl/device.js'
import { linkByName } from '../rtnl/link.js'
import { openRdma, rdmaDeviceAt } from '../rtnl/rdma.js'
import { locateRecordedVf } from '../sriov/device/recorded-vf.js'
import { readVf } from '../sriov/pf/apply.js'
import { planVf } from '../sriov/pf/plan.js'
import { loadAttachment } from '../state/attachments.js'
import { type CallHost, requireTrustedState } from '../state/folder.js'
import type { AttachmentRecord, Phase } from '../state/record.js'

async function vfDifferences(host: CallHost, record: AttachmentRecord): Promise<string[]> {
  if (!record.pf) {
    return []
  }
  using rtnl = openRtnl(host)
  try {
    const { pfName, vfIndex } = locateRecordedVf(host.files, record)
    const { vf } = await readVf(rtnl, pfName, vfIndex)
    const { mac, ...others } = record.wanted.vf
    return [
      ...planVf(others, vf).map(({ operation }) => `${operation.replace(/^set /, '')} does not hold any more`),
      ...(mac !== undefined && mac !== vf.mac ? [`the PF has MAC ${vf.mac} for it, not ${mac}`] : []),
    ]
  } catch (error) {
    return [messageOf(error)]
  }
}

function driverDifferences({ files }: CallHost, { deviceId, dpdk, driver: own }: AttachmentRecord): string[] {
  const driver = dpdk?.driver ?? own
  const now = driverOf(files, deviceId)
  return driver === '' || now === driver ? [] : [`its driver is ${now ?? 'none'}, not ${driver}`]
}

/** Whether the RDMA device is still in the pod. Its name is the pod's affair. */
async function rdmaDifferences(host: CallHost, { rdma: recorded }: AttachmentRecord, pod: Netns): Promise<string[]> {
  if (!recorded) {
    return []
  }
  using rdma = openRdma(host, pod)
  return (await rdmaDeviceAt(rdma, recorded.index))
    ? []
    : [`its RDMA device ${recorded.name} is not in ${pod.path} any more`]
}

/** What the pod's interface should be, by the result of its ADD and by the configuration. */
interface Expected {
  readonly deviceId: PciAddress
  /** Its name in the pod. */
  readonly ifName: string
  readonly result: CniResult
  readonly wanted: WantedNetdev
}

/**
 * The result that the runtime passes takes precedence. Before CNI 1.1.0 it has no MTU; that is taken from the record.
 */
function expectedResult(recorded: CniResult, told: CniResult | undefined): CniResult {
  return told
    ? {
        ...told,
        interfaces: told.interfaces.map((one) => ({
          ...recorded.interfaces.find(({ name }) => name === one.name),
          ...one,
        })),
      }
    : recorded
}

function flagDifferences({ isPromisc, isAllmulti }: Link, { promisc, allmulti }: WantedNetdev): string[] {
  const flags = [
    ['promisc', promisc, isPromisc],
    ['allmulti', allmulti, isAllmulti],
  ] as const
  return flags.flatMap(([name, wanted, is]) =>
    wanted === undefined || wanted === is ? [] : [`${name} is ${is ? 'on' : 'off'}, not ${wanted ? 'on' : 'off'}`],
  )
}

async function podDifferences(
  host: CallHost,
  { deviceId, ifName, result, wanted }: Expected,
  pod: Netns,
): Promise<string[]> {
  using rtnl = openRtnl(host, pod)
  const link = await linkByName(rtnl, ifName)
  if (!link) {
    return [`there is no interface ${ifName} in ${pod.path}`]
  }
  if ((await pciDeviceOf(rtnl, link)) !== deviceId) {
    return [`${ifName} in ${pod.path} is not the VF ${deviceId} any more`]
  }
  const expected = result.interfaces.find(({ name }) => name === ifName)
  const addresses = await addressesOf(rtnl, link.index)
  // A later plugin of the list may have added addresses to other interfaces.
  const own = result.ips.filter((ip) => ip.interface === undefined || result.interfaces[ip.interface]?.name === ifName)
  const missing = own.flatMap(({ address }) => {
    const { bytes, prefixLength } = parseCidr(address)
    const found = addresses.find((one) => one.bytes.equals(bytes) && one.prefixLength === prefixLength)
    if (!found) {
      return [`address ${address} is missing`]
    }
    return found.flags & IFA_F_DADFAILED ? [`address ${address} is used by another host`] : []
  })
  return [
    ...(link.isUp ? [] : [`${ifName} is down`]),
    ...(expected?.mac === undefined || isSameAddress(expected.mac, link.mac)
      ? []
      : [`its MAC is ${link.mac}, not ${expected.mac}`]),
    // One that no key asks for may be changed by a later plugin of the list, which does not tell: tuning.
    ...(wanted.mtu === undefined || expected?.mtu === undefined || expected.mtu === link.mtu
      ? []
      : [`its MTU is ${link.mtu}, not ${expected.mtu}`]),
    ...flagDifferences(link, wanted),
    ...missing,
  ]
}

/** Why a recorded attachment cannot be checked, by its phase. */
const UNFINISHED: Readonly<Record<Phase, string>> = {
  intent: 'its ADD did not finish',
  attached: '',
  releasing: 'it is being given back',
  released: 'its VF was given back; only its lease is left',
}

/**
 * CHECK: compares the kernel with what the ADD set up.
 * @throws PluginError kind `mismatch` with every difference; without a record, too
 */
export async function check(host: CallHost, args: CallArgs, parsed: ParsedNetConf, pod: Netns): Promise<void> {
  const conf = requireValid(parsed)
  requireTrustedState(host.state)
  const read = loadAttachment(host.state, args)
  if (read?.kind !== 'record' || read.record.phase !== 'attached') {
    const problem =
      read?.kind === 'record' ? UNFINISHED[read.record.phase] : (read?.problem ?? 'there is no record of an ADD')
    throw new PluginError({ kind: 'mismatch', differences: [problem] })
  }
  const { record } = read
  // Routes are not compared: Multus may have removed a default route.
  const result = expectedResult(readResult(record.result ?? {}), conf.prevResult && readResult(conf.prevResult))
  const expected: Expected = {
    deviceId: record.deviceId,
    ifName: record.podIfName ?? record.ifName,
    result,
    wanted: record.wanted.netdev,
  }
  const differences = [
    // A VF for DPDK has no interface in the pod, whichever plugin attached it.
    ...(record.dpdk || record.original.netdev.name === '' ? [] : await podDifferences(host, expected, pod)),
    ...(await rdmaDifferences(host, record, pod)),
    ...(await vfDifferences(host, record)),
    ...driverDifferences(host, record),
  ]
  if (differences.length > 0) {
    throw new PluginError({ kind: 'mismatch', differences })
  }
  if (record.ipam) {
    await ipamCheck(host, { ...record.ipam, stdin: conf.text })
  }
}
