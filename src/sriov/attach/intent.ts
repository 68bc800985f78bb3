import type { NetConf } from '../../cni/conf/netconf.js'
import type { WantedVf } from '../../cni/conf/wanted.js'
import type { FilePort } from '../../host/ports.js'
import { findIpamPlugin, recordedCall } from '../../ipam.js'
import type { Link } from '../../netlink/link.js'
import { ZERO_MAC } from '../../netlink/mac.js'
import type { VfSettings } from '../../netlink/vf-info.js'
import { bootIdOf } from '../../node/boot.js'
import { viewOf } from '../../node/namespaces.js'
import { driverOverrideOf } from '../../pci/driver.js'
import { devPortOf } from '../../pci/functions.js'
import { type AttachmentRecord, type OriginalNetdev, RECORD_SCHEMA } from '../../state/record.js'
import { deviceInfoToMake } from '../device/device-info.js'
import type { DeviceLocation } from '../device/locate.js'
import type { PfView } from '../pf/apply.js'
import type { Attachment, Findings } from './attachment.js'

/** The properties of an interface that are restored on release. */
const originalNetdev = (link: Link): OriginalNetdev => ({
  name: link.name,
  mac: link.mac,
  mtu: link.mtu,
  isUp: link.isUp,
  isPromisc: link.isPromisc,
  isAllmulti: link.isAllmulti,
  hasArp: link.hasArp,
  isMulticast: link.isMulticast,
  ...(link.linkMode !== 0 && { linkMode: link.linkMode }),
  ...(link.xdpModes && { hasXdp: true }),
  altNames: link.altNames,
})

/** Recorded for a VF without an interface on the host, such as one on a user space driver. */
const NO_NETDEV: OriginalNetdev = {
  name: '',
  isUp: false,
  isPromisc: false,
  isAllmulti: false,
}

/**
 * What the PF is told as MAC on release, where this is known without a trial. A PF that had none is told none. For a
 * trusted VF it is told the MAC that it showed: such a VF may set its own MAC whatever the PF administers, so a trial
 * proves nothing.
 */
const knownReleaseMac = (wanted: WantedVf, original: VfSettings): { releaseAdminMac?: string } =>
  wanted.mac !== undefined && (original.mac === ZERO_MAC || original.trust) ? { releaseAdminMac: original.mac } : {}

/** With two interfaces (ConnectX-3) the record keeps the port of each, to tell them apart. */
function originalNetdevs(files: FilePort, { netdev, second, hostConfig }: Findings) {
  if (!netdev) {
    return { netdev: NO_NETDEV }
  }
  const first = { ...originalNetdev(netdev), ...(hostConfig && { hostConfig }) }
  const port = (link: Link) => ({ devPort: devPortOf(files, link.name) })
  return second
    ? { netdev: { ...first, ...port(netdev) }, second: { ...originalNetdev(second), ...port(second) } }
    : { netdev: first }
}

function recordedPf({ vf }: DeviceLocation, conf: NetConf, pfSide: PfView | undefined): Partial<AttachmentRecord> {
  return vf && pfSide
    ? {
        pf: { address: vf.pf.address, name: vf.pf.name, vfIndex: vf.index, vf: pfSide.vf },
        ...knownReleaseMac(conf.vf, pfSide.vf),
      }
    : {}
}

/** The record to write before the first change. @throws PluginError kind `ipam` when the plugin is nowhere */
export function intentOf({ host, args, conf, location, pod, ipam }: Attachment, findings: Findings): AttachmentRecord {
  const { pfSide, driver, representor, dpdk, rdma } = findings
  if (ipam) {
    findIpamPlugin(host, ipam)
  }
  const deviceInfoFile = deviceInfoToMake(host.files, conf.deviceInfoFile, location.address)
  return {
    schema: RECORD_SCHEMA,
    phase: 'intent',
    folder: host.state.path,
    containerId: args.containerId,
    ifName: args.ifName,
    network: conf.name,
    netns: { path: pod.path, ...pod.id },
    ...(host.pod && { pod: host.pod }),
    since: new Date(host.clock.dateMs()).toISOString(),
    view: viewOf(host.files),
    bootId: bootIdOf(host.files),
    deviceId: location.address,
    driver,
    original: originalNetdevs(host.files, findings),
    ...recordedPf(location, conf, pfSide),
    ...(representor && { representor }),
    driverOverride: driverOverrideOf(host.files, location.address),
    ...(dpdk && { dpdk }),
    ...(rdma && { rdma }),
    ...(conf.flr !== undefined && { flr: conf.flr }),
    ...(deviceInfoFile !== undefined && { deviceInfoFile }),
    wanted: { vf: conf.vf, netdev: conf.netdev },
    ...(conf.podIfName !== undefined && { podIfName: conf.podIfName }),
    ...(ipam && { ipam: recordedCall(ipam) }),
  }
}
