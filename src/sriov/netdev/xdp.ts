import { messageOf } from '../../errors.js'
import type { Log } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { changeLink } from '../../rtnl/link.js'
import type { AttachmentRecord } from '../../state/record.js'

/**
 * Detaches the XDP programs that a pod has put on its interface: the kernel keeps them when it moves and when the namespace
 * ends (only unregister_netdevice() takes them off), they would see the packets of the next pod, and some drivers refuse
 * another MTU meanwhile. One that stays is logged: an ADD refuses the VF then.
 */
export async function detachXdp(
  { rtnl, log }: { readonly rtnl: Rtnl; readonly log: Log },
  { index, xdpModes = [] }: Link,
  { original, driver, deviceId }: AttachmentRecord,
  target: string,
): Promise<void> {
  for (const xdpOff of original.netdev.hasXdp ? [] : xdpModes) {
    try {
      await changeLink(rtnl, index, { xdpOff }, { operation: 'detach the XDP program of the pod', target, driver })
    } catch (error) {
      log.warning('an XDP program stays', { device: deviceId, error: messageOf(error) })
    }
  }
}
