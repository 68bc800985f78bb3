import {
  type Address,
  addAddressMessage,
  addressOf,
  decodeAddressMessage,
  encodeAddressMessage,
} from '../netlink/address.js'
import {
  AF_UNSPEC,
  IFA_F_OPTIMISTIC,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_GETADDR,
  RTM_NEWADDR,
} from '../netlink/constants.js'
import { parseCidr } from '../netlink/ip.js'
import type { Rtnl, RtnlRequest } from './connection.js'

/**
 * The request that adds `10.1.0.5/24` or `2001:db8::5/64`. If the interface allows it, an IPv6 address is usable before
 * duplicate address detection ends (RFC 4429, optimistic_dad in ip-sysctl.rst).
 * @throws PluginError kind `address`
 */
export function addAddressRequest(interfaceIndex: number, interfaceName: string, cidr: string): RtnlRequest {
  const { bytes, prefixLength } = parseCidr(cidr)
  const ip = cidr.slice(0, cidr.indexOf('/'))
  return {
    operation: `add the address ${cidr}`,
    target: interfaceName,
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: encodeAddressMessage(
      addAddressMessage(interfaceIndex, { ip, prefixLength, flags: bytes.length === 16 ? IFA_F_OPTIMISTIC : 0 }),
    ),
  }
}

/** The messages about the addresses of one interface. @throws PluginError kind `kernel` */
export async function addressMessagesOf(rtnl: Rtnl, interfaceIndex: number): Promise<Buffer[]> {
  const messages = await rtnl.dump({
    operation: 'list the addresses',
    target: `interface ${interfaceIndex}`,
    type: RTM_GETADDR,
    payload: encodeAddressMessage({
      family: AF_UNSPEC,
      prefixLength: 0,
      flags: 0,
      scope: 0,
      interfaceIndex,
      attributes: [],
    }),
  })
  // Kernels that check dumps strictly (4.20) select by themselves; the others report those of all interfaces.
  return messages
    .map(({ payload }) => payload)
    .filter((payload) => decodeAddressMessage(payload).interfaceIndex === interfaceIndex)
}

/** The addresses of one interface. @throws PluginError kind `kernel` */
export async function addressesOf(rtnl: Rtnl, interfaceIndex: number): Promise<Address[]> {
  const payloads = await addressMessagesOf(rtnl, interfaceIndex)
  return payloads.flatMap((payload) => addressOf(decodeAddressMessage(payload)) ?? [])
}
