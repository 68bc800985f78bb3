import { type CallArgs, ifNameProblem } from '../cni/args.js'
import type { NetConf } from '../cni/netconf.js'
import type { WantedVf } from '../cni/wanted.js'
import { type ConfigIssue, PluginError } from '../errors.js'
import type { FilePort, Host, Lock, Netns } from '../host/ports.js'
import { findIpamPlugin, recordedCall } from '../ipam.js'
import type { Link } from '../netlink/link.js'
import { otherVfWithMac } from '../netlink/vf-info.js'
import type { PciAddress } from '../pci/address.js'
import { devPortOf } from '../pci/functions.js'
import type { Rtnl } from '../rtnl/connection.js'
import { linkByName, requireLink } from '../rtnl/link.js'
import { bootIdOf } from '../state/boot.js'
import { type AttachmentRecord, type IpamCall, RECORD_SCHEMA, type RecordedRepresentor } from '../state/record.js'
import { type PfView, readVf } from './apply.js'
import { type DeviceLocation, describeDevice, hostNetdevOf } from './locate.js'
import { knownReleaseMac, originalNetdev } from './original.js'
import { rateProblem } from './plan.js'
import { podIfName, secondName } from './pod-names.js'
import { findRepresentor } from './representor.js'

/** One ADD: who asks, for what, with which VF, into which namespace. */
export interface AttachRequest {
  readonly args: CallArgs
  readonly conf: NetConf
  readonly location: DeviceLocation
  readonly pod: Netns
  /** The VF's. The IPAM plugin holds it too, so that a DEL after a kill waits until no lease can appear any more. */
  readonly lock: Lock
}

/** The same with the conversations it needs. */
export interface Attachment extends AttachRequest {
  readonly host: Host
  readonly ipam?: IpamCall
  readonly hostRtnl: Rtnl
  readonly podRtnl: Rtnl
}

/** What was found before anything is changed. */
export interface Findings {
  readonly netdev: Link
  /** The other interface of a VF that has two. */
  readonly second?: Link
  readonly driver: string
  /** Absent where the device has no PF that could be told anything. */
  readonly pfSide?: PfView
  readonly representor?: RecordedRepresentor
}

/** What the configuration calls the settings that only a PF can make. */
const PF_KEYS: Readonly<Record<Exclude<keyof WantedVf, 'mac'>, string>> = {
  vlan: 'vlan',
  minTxRateMbps: 'min_tx_rate',
  maxTxRateMbps: 'max_tx_rate',
  spoofchk: 'spoofchk',
  trust: 'trust',
  linkState: 'link_state',
}

/** What of the PF's settings cannot be, as things are. */
function pfIssues({ conf, location }: AttachRequest, pfSide: PfView | undefined): ConfigIssue[] {
  const { vf: wanted } = conf
  if (!pfSide || !location.vf) {
    return (Object.keys(PF_KEYS) as (keyof typeof PF_KEYS)[])
      .filter((name) => wanted[name] !== undefined)
      .map((name) => ({
        key: PF_KEYS[name],
        problem: `needs the PF of a VF, and ${describeDevice(location)} has none that can be seen from here`,
      }))
  }
  const { index, pf } = location.vf
  const rates = rateProblem(wanted, pfSide.vf)
  const { mac } = wanted
  const twin = mac === undefined ? undefined : otherVfWithMac(pfSide.pf.vfList ?? Buffer.alloc(0), index, mac)
  return [
    ...(rates ? [rates] : []),
    ...(twin === undefined ? [] : [{ key: 'mac', problem: `${mac} is the MAC of VF ${twin} of ${pf.name} already` }]),
  ]
}

/**
 * Everything that can be refused before the first change is refused here.
 * @throws PluginError kinds `device`, `interfaceExists`, `config`, `kernel`
 */
export async function inspect(attachment: Attachment): Promise<Findings> {
  const { host, conf, location, pod, hostRtnl, podRtnl } = attachment
  const { name, driver, second: nameOfSecond } = hostNetdevOf(host.files, location)
  const wantedName = podIfName(attachment)
  const names = nameOfSecond === undefined ? [wantedName] : [wantedName, secondName(wantedName)]
  for (const one of names) {
    if (await linkByName(podRtnl, one)) {
      throw new PluginError({ kind: 'interfaceExists', name: one, netns: pod.path })
    }
  }
  const second = nameOfSecond === undefined ? undefined : await requireLink(hostRtnl, nameOfSecond)
  const netdev = await requireLink(hostRtnl, name)
  if (netdev.parentDevice !== undefined && netdev.parentDevice !== location.address) {
    throw new PluginError({ kind: 'device', message: `${name} is not the interface of ${location.address} any more` })
  }
  const pfSide = location.vf && (await readVf(hostRtnl, location.vf.pf.name, location.vf.index))
  const { mtu } = conf.netdev
  const isTooLarge = mtu !== undefined && netdev.maxMtu !== 0 && mtu > netdev.maxMtu
  const issues = [
    ...names.flatMap((one) => {
      const problem = ifNameProblem(one)
      return problem ? [{ key: 'CNI_IFNAME', problem: `${one}: ${problem.message}` }] : []
    }),
    ...(isTooLarge
      ? [{ key: 'mtu', problem: `${mtu} is above the ${netdev.maxMtu} that ${name} (driver ${driver}) supports` }]
      : []),
    ...pfIssues(attachment, pfSide),
  ]
  if (issues.length > 0) {
    throw new PluginError({ kind: 'config', issues })
  }
  const representor = await findRepresentor(host.files, hostRtnl, location)
  return { netdev, driver, ...(second && { second }), ...(pfSide && { pfSide }), ...(representor && { representor }) }
}

/** Of two interfaces the record says which is which; of one it does not matter. */
function originalNetdevs(files: FilePort, address: PciAddress, netdev: Link, second: Link | undefined) {
  const withPort = (link: Link) => ({ ...originalNetdev(link), devPort: devPortOf(files, address, link.name) })
  return second ? { netdev: withPort(netdev), second: withPort(second) } : { netdev: originalNetdev(netdev) }
}

function recordedPf({ vf }: DeviceLocation, conf: NetConf, pfSide: PfView | undefined): Partial<AttachmentRecord> {
  return vf && pfSide
    ? {
        pf: { address: vf.pf.address, name: vf.pf.name, vfIndex: vf.index, vf: pfSide.vf },
        ...knownReleaseMac(conf.vf, pfSide.vf),
      }
    : {}
}

/** The record that is written before the first change. @throws PluginError kind `ipam` when the plugin is nowhere */
export function intentOf(
  { host, args, conf, location, pod, ipam }: Attachment,
  { netdev, second, pfSide, driver, representor }: Findings,
): AttachmentRecord {
  if (ipam) {
    findIpamPlugin(host, ipam)
  }
  return {
    schema: RECORD_SCHEMA,
    phase: 'intent',
    containerId: args.containerId,
    ifName: args.ifName,
    network: conf.name,
    netns: { path: pod.path, ...pod.id },
    bootId: bootIdOf(host.files),
    deviceId: location.address,
    driver,
    original: originalNetdevs(host.files, location.address, netdev, second),
    ...recordedPf(location, conf, pfSide),
    ...(representor && { representor }),
    wanted: { vf: conf.vf, netdev: conf.netdev },
    ...(conf.podIfName !== undefined && { podIfName: conf.podIfName }),
    ...(ipam && { ipam: recordedCall(ipam) }),
  }
}
