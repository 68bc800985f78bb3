import type { ResultRoute } from '../cni/result.js'
import { NLM_F_CREATE, RTM_NEWROUTE } from '../netlink/constants.js'
import { networkOf, parseCidr, parseIp } from '../netlink/ip.js'
import { addRouteMessage, encodeRouteMessage } from '../netlink/route.js'
import type { RtnlRequest } from './connection.js'

/**
 * The request that adds a route of a CNI result through an interface. It does not set NLM_F_EXCL: like other CNI
 * plugins it leaves another route to the same destination in place, behind the new one. EEXIST means that this exact
 * route exists.
 * @throws PluginError kind `address`
 */
export function addRouteRequest(interfaceIndex: number, interfaceName: string, route: ResultRoute): RtnlRequest {
  const { dst, gw, ...numbers } = route
  const cidr = parseCidr(dst)
  return {
    operation: `add the route ${dst}${gw === undefined ? '' : ` via ${gw}`}`,
    target: interfaceName,
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE,
    payload: encodeRouteMessage(
      addRouteMessage({
        destination: networkOf(cidr),
        prefixLength: cidr.prefixLength,
        interfaceIndex,
        ...(gw !== undefined && { gateway: parseIp(gw) }),
        ...numbers,
      }),
    ),
  }
}
