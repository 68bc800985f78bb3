/** A ConnectX-3 has two interfaces behind one VF, one for each port: both go to the pod, the second as `<name>d1`. */
import type { ResultInterface } from '../cni/result.js'
import type { Link } from '../netlink/link.js'
import { changeLink } from '../rtnl/link.js'
import type { AttachmentRecord } from '../state/record.js'
import { dropAltNames } from './alt-names.js'
import type { Attachment, Findings } from './attachment.js'
import { moveNetdev } from './move.js'
import { podIfName, secondName } from './pod-names.js'

/** The record as it is about the second interface alone: what the first has with the PF is not its. */
export function recordOfSecond({
  pf: _pf,
  releaseAdminMac: _mac,
  ...record
}: AttachmentRecord): AttachmentRecord | undefined {
  const { second } = record.original
  return second && { ...record, original: { netdev: second }, podIfName: secondName(record.podIfName ?? record.ifName) }
}

/** Off the host and into the pod, and up. @throws PluginError kinds `interfaceExists`, `kernel` */
export async function moveSecondIn(
  attachment: Attachment,
  { driver }: Findings,
  second: Link,
): Promise<ResultInterface> {
  const { host, conf, pod, hostRtnl, podRtnl, location } = attachment
  const name = secondName(podIfName(attachment))
  const { mtu = second.mtu } = conf.netdev
  const target = `${second.name} (${location.address})`
  if (second.isUp) {
    await changeLink(hostRtnl, second.index, { isUp: false }, { operation: 'take it down', target, driver })
  }
  const equal = second.altNames.filter((altName) => altName === name)
  await dropAltNames({ rtnl: hostRtnl, log: host.log }, second, equal, target)
  await moveNetdev({
    link: second,
    from: hostRtnl,
    to: podRtnl,
    into: pod,
    device: location.address,
    driver,
    name,
    ...(mtu !== second.mtu && { mtu }),
    up: {},
  })
  return { name, mac: second.mac, mtu, sandbox: pod.path, pciID: location.address }
}
