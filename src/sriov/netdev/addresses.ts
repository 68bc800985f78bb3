import type { CniResult, ResultIp, ResultRoute } from '../../cni/result.js'
import { errnoOf, messageOf, PluginError } from '../../errors.js'
import { pollUntil } from '../../host/poll.js'
import type { Host, Netns } from '../../host/ports.js'
import { announcementFrame } from '../../netlink/announcement.js'
import { IFA_F_DADFAILED, RT_SCOPE_LINK } from '../../netlink/constants.js'
import { parseCidr } from '../../netlink/ip.js'
import type { Link } from '../../netlink/link.js'
import { isMac } from '../../netlink/mac.js'
import { addAddressRequest, addressesOf } from '../../rtnl/address.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { linkByIndex } from '../../rtnl/link.js'
import { addRouteRequest } from '../../rtnl/route.js'
import { together } from '../../rtnl/together.js'

/** A VF gets its carrier some milliseconds after it comes up. The frames sent before that are dropped. */
const CARRIER = { timeoutMs: 1_000, pauseMs: 2 }

const isIpv6 = (cidr: string): boolean => cidr.includes(':')

/** An interface in a pod, for which addresses were leased. */
export interface PodInterface {
  readonly netns: Netns
  readonly rtnl: Rtnl
  readonly link: Link
}

/**
 * Enables IPv6, and use of an address before duplicate address detection ends (ip-sysctl.rst). Writes settings of this
 * interface only.
 */
function prepareIpv6({ kernel, log }: Host, { netns, link }: PodInterface): void {
  const settings = [
    ['disable_ipv6', '0'],
    ['optimistic_dad', '1'],
    ['use_optimistic', '1'],
  ] as const
  for (const [setting, value] of settings) {
    try {
      kernel.writeNetSysctl(netns, `/proc/sys/net/ipv6/conf/${link.name}/${setting}`, value)
    } catch (error) {
      log.info('cannot prepare IPv6', { setting, error: messageOf(error) })
    }
  }
}

/**
 * A route without a gateway uses the gateway of an address in its family, like ipam.ConfigureIface of libcni. A route
 * of link scope stays without.
 */
const gatewayOf = ({ dst, gw, scope }: ResultRoute, ips: readonly ResultIp[]): string | undefined =>
  scope === RT_SCOPE_LINK
    ? gw
    : (gw ?? ips.find(({ address, gateway }) => gateway !== undefined && isIpv6(address) === isIpv6(dst))?.gateway)

/** @throws PluginError kind `duplicateAddress` */
async function requireNoDuplicate({ rtnl, link }: PodInterface, ips: readonly string[]): Promise<void> {
  if (ips.length === 0) {
    return
  }
  const failed = (await addressesOf(rtnl, link.index)).filter(({ flags }) => flags & IFA_F_DADFAILED)
  const duplicate = ips.find((ip) => failed.some(({ bytes }) => bytes.equals(parseCidr(ip).bytes)))
  if (duplicate !== undefined) {
    throw new PluginError({ kind: 'duplicateAddress', address: duplicate, interfaceName: link.name })
  }
}

async function awaitCarrier({ clock }: Host, { rtnl, link: { index } }: PodInterface, now?: Link): Promise<boolean> {
  const look = async () => ((await linkByIndex(rtnl, index))?.hasCarrier ? true : undefined)
  return now?.hasCarrier === true || (await pollUntil(clock, CARRIER, look)) === true
}

/** Tells the neighbours who has the addresses now. A frame that cannot be sent is only logged. */
function announce({ kernel, log }: Host, { netns, link }: PodInterface, ips: readonly string[]): void {
  // Only Ethernet has these frames.
  for (const ip of isMac(link.mac) ? ips : []) {
    try {
      kernel.sendFrame(netns, link.index, announcementFrame(link.mac, parseCidr(ip).bytes))
    } catch (error) {
      log.warning('an address was not announced', { ip, error: messageOf(error) })
    }
  }
}

async function addRoutes({ rtnl, link }: PodInterface, { ips, routes }: CniResult): Promise<void> {
  for (const route of routes) {
    const gw = gatewayOf(route, ips)
    try {
      await rtnl.change(addRouteRequest(link.index, link.name, { ...route, ...(gw !== undefined && { gw }) }))
    } catch (error) {
      // The kernel has already made this route, for the address's own network.
      if (errnoOf(error) !== 'EEXIST') {
        throw error
      }
    }
  }
}

/**
 * Gives an interface that is up its addresses and routes, and tells the neighbours. An IPv6 address is announced before
 * the interface has it. Otherwise a card that loops multicast back (igb with promisc) makes the kernel take our own
 * advertisement for another host's, and the address fails (ndisc_recv_na).
 * @throws PluginError kinds `kernel`, `address`, `duplicateAddress`
 */
export async function configureAddresses(host: Host, pod: PodInterface, leased: CniResult): Promise<void> {
  const { rtnl, link } = pod
  const addresses = leased.ips.map(({ address }) => address)
  const ipv6 = addresses.filter(isIpv6)
  const ipv4 = addresses.filter((address) => !isIpv6(address))
  const addAll = (some: readonly string[]) =>
    rtnl.changeAll(some.map((address) => addAddressRequest(link.index, link.name, address)))
  if (ipv6.length > 0) {
    prepareIpv6(host, pod)
  }
  const [, now] = await together([addAll(ipv4), linkByIndex(rtnl, link.index)])
  const hasCarrier = await awaitCarrier(host, pod, now)
  if (hasCarrier) {
    announce(host, pod, ipv6)
  } else {
    host.log.info('no carrier: the addresses are not announced', { interface: link.name })
  }
  await addAll(ipv6)
  await addRoutes(pod, leased)
  if (hasCarrier) {
    announce(host, pod, ipv4)
  }
  await requireNoDuplicate(pod, ipv6)
}
