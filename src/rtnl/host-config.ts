import { errnoOf, messageOf } from '../errors.js'
import { u32Attribute } from '../netlink/attribute.js'
import {
  AF_INET,
  AF_INET6,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTA_OIF,
  RTM_GETROUTE,
  RTM_NEWADDR,
  RTM_NEWROUTE,
} from '../netlink/constants.js'
import { hostAddressText, hostRouteText, setAddressAgain, setRouteAgain } from '../netlink/host-config.js'
import type { Link } from '../netlink/link.js'
import { encodeRouteMessage } from '../netlink/route.js'
import { addressMessagesOf } from './address.js'
import type { Rtnl, RtnlRequest } from './connection.js'
import { together } from './together.js'

/** What the host has set on an interface, as text and as the kernel's own message. */
export interface HostConfig {
  readonly addresses: readonly HostEntry[]
  readonly routes: readonly HostEntry[]
}

export interface HostEntry {
  readonly text: string
  readonly payload: Buffer
}

const entry = (payload: Buffer, text: string | undefined): HostEntry[] =>
  text === undefined ? [] : [{ text, payload }]

/**
 * The addresses and routes of an interface other than those that every interface has. One that is down has no routes: the
 * kernel removes them when it goes down (fib_disable_ip(), rt6_disable_ip()), and takes no new ones.
 * @throws PluginError kind `kernel`
 */
export async function hostConfigOf(
  rtnl: Rtnl,
  { index: interfaceIndex, isUp }: Pick<Link, 'index' | 'isUp'>,
): Promise<HostConfig> {
  const target = `interface ${interfaceIndex}`
  const routesOf = (family: number) =>
    rtnl.dump({
      operation: 'list the routes',
      target,
      type: RTM_GETROUTE,
      payload: encodeRouteMessage({
        family,
        prefixLength: 0,
        table: 0,
        protocol: 0,
        scope: 0,
        routeType: 0,
        attributes: [u32Attribute(RTA_OIF, interfaceIndex)],
      }),
    })
  const [listed, ...routes] = await together([
    addressMessagesOf(rtnl, interfaceIndex),
    ...(isUp ? [routesOf(AF_INET), routesOf(AF_INET6)] : []),
  ])
  return {
    addresses: listed.flatMap((payload) => entry(payload, hostAddressText(payload))),
    routes: routes.flat().flatMap(({ payload }) => entry(payload, hostRouteText(payload, interfaceIndex))),
  }
}

/**
 * Sets what was reported again; what is there already is no error. Returns what the kernel refused: the network may have
 * changed meanwhile.
 */
export async function setHostConfigAgain(
  rtnl: Rtnl,
  { index, name }: { readonly index: number; readonly name: string },
  { addresses, routes }: HostConfig,
): Promise<readonly string[]> {
  const refused: string[] = []
  const requests: RtnlRequest[] = [
    ...addresses.map(({ text, payload }) => ({
      operation: `add the address ${text}`,
      target: name,
      type: RTM_NEWADDR,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      payload: setAddressAgain(payload, index),
    })),
    ...routes.map(({ text, payload }) => ({
      operation: `add the route ${text}`,
      target: name,
      type: RTM_NEWROUTE,
      flags: NLM_F_CREATE | NLM_F_APPEND,
      payload: setRouteAgain(payload, index),
    })),
  ]
  for (const request of requests) {
    try {
      await rtnl.change(request)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') {
        refused.push(messageOf(error))
      }
    }
  }
  return refused
}
