import type { CallArgs } from '../cni/args.js'
import type { NetConf } from '../cni/netconf.js'
import { PluginError } from '../errors.js'
import type { Host, Lock, Netns } from '../host/ports.js'
import { findIpamPlugin, recordedCall } from '../ipam.js'
import type { Link } from '../netlink/link.js'
import type { Rtnl } from '../rtnl/connection.js'
import { linkByName, requireLink } from '../rtnl/link.js'
import { type AttachmentRecord, type IpamCall, RECORD_SCHEMA } from '../state/record.js'
import { type PfView, readVf } from './apply.js'
import { hostNetdevOf, type VfLocation } from './locate.js'
import { knownReleaseMac, originalNetdev } from './original.js'
import { bootIdOf } from './ownership.js'
import { rateProblem } from './plan.js'

/** One ADD: who asks, for what, with which VF, into which namespace. */
export interface AttachRequest {
  readonly args: CallArgs
  readonly conf: NetConf
  readonly location: VfLocation
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
export interface Findings extends PfView {
  readonly netdev: Link
  readonly driver: string
}

/**
 * Everything that can be refused before the first change is refused here.
 * @throws PluginError kinds `device`, `interfaceExists`, `config`, `kernel`
 */
export async function inspect({ host, args, conf, location, pod, hostRtnl, podRtnl }: Attachment): Promise<Findings> {
  const { name, driver } = hostNetdevOf(host.files, location)
  if (await linkByName(podRtnl, args.ifName)) {
    throw new PluginError({ kind: 'interfaceExists', name: args.ifName, netns: pod.path })
  }
  const netdev = await requireLink(hostRtnl, name)
  if (netdev.parentDevice !== undefined && netdev.parentDevice !== location.address) {
    throw new PluginError({ kind: 'device', message: `${name} is not the interface of ${location.address} any more` })
  }
  const view = await readVf(hostRtnl, location.pf.name, location.index)
  const { mtu } = conf.netdev
  const isTooLarge = mtu !== undefined && netdev.maxMtu !== 0 && mtu > netdev.maxMtu
  const rates = rateProblem(conf.vf, view.vf)
  const issues = [
    ...(isTooLarge
      ? [{ key: 'mtu', problem: `${mtu} is above the ${netdev.maxMtu} that ${name} (driver ${driver}) supports` }]
      : []),
    ...(rates ? [rates] : []),
  ]
  if (issues.length > 0) {
    throw new PluginError({ kind: 'config', issues })
  }
  return { ...view, netdev, driver }
}

/** The record that is written before the first change. @throws PluginError kind `ipam` when the plugin is nowhere */
export function intentOf(
  { host, args, conf, location, pod, ipam }: Attachment,
  { netdev, vf, driver }: Findings,
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
    bootId: bootIdOf(host),
    deviceId: location.address,
    pf: { address: location.pf.address, name: location.pf.name },
    vfIndex: location.index,
    driver,
    original: { netdev: originalNetdev(netdev), vf },
    wanted: { vf: conf.vf, netdev: conf.netdev },
    ...knownReleaseMac(conf.vf, vf),
    ...(ipam && { ipam: recordedCall(ipam) }),
  }
}
