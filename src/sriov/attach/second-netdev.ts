/** A ConnectX-3 has two interfaces behind one VF, one for each port. Both go to the pod, the second as `<name>d1`. */
import type { ResultInterface } from '../../cni/result.js'
import type { Link } from '../../netlink/link.js'
import { changeLink } from '../../rtnl/link.js'
import { dropAltNames } from '../netdev/alt-names.js'
import { type Move, moveNetdev } from '../netdev/move.js'
import { podIfName, secondName } from '../netdev/pod-names.js'
import type { Attachment, Findings } from './attachment.js'

/**
 * Moves the second interface into the pod, and brings it up there.
 * @throws PluginError kinds `interfaceExists`, `kernel`
 */
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
  const move: Move = {
    link: second,
    from: hostRtnl,
    to: podRtnl,
    into: pod,
    device: location.address,
    driver,
    name,
    ...(mtu !== second.mtu && { mtu }),
    up: {},
  }
  await host.phases.during('move', () => moveNetdev(move))
  return { name, mac: second.mac, mtu, sandbox: pod.path, pciID: location.address }
}
