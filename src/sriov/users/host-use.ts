/** What the host itself does with the interface of a function: then it is not given to a pod. */
import type { Host } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { netdevsOf, uplinkOf, vfsOf } from '../../pci/functions.js'
import { openRtnl, type Rtnl } from '../../rtnl/connection.js'
import { hostConfigOf } from '../../rtnl/host-config.js'
import { linkByName } from '../../rtnl/link.js'
import type { DeviceLocation } from '../device/locate.js'

/** How hostRouteText() begins for a default route. */
const DEFAULT_ROUTE = 'default'
const INTERFACES = '/sys/class/net'
const UPPER = 'upper_'

/** The interfaces above one: bridge, bond, VLAN, VRF, Open vSwitch (Documentation/ABI/testing/sysfs-class-net). */
const uppersOf = ({ files }: Host, name: string): string[] =>
  files
    .list(`${INTERFACES}/${name}`)
    .filter((entry) => entry.startsWith(UPPER))
    .map((entry) => entry.slice(UPPER.length))

/** What was found. `use` in words; `link` is the interface, where one was looked at and is not used. */
export interface HostUse {
  readonly use?: string
  readonly link?: Link
}

async function useOfInterface(host: Host, rtnl: Rtnl, name: string): Promise<HostUse> {
  const [upper] = uppersOf(host, name)
  if (upper !== undefined) {
    return { use: `${name} is part of ${upper}` }
  }
  const link = await linkByName(rtnl, name)
  if (!link) {
    return {}
  }
  if (link.xdpModes) {
    return { use: `${name} has an XDP program` }
  }
  const {
    addresses: [address],
    routes: [route],
  } = await hostConfigOf(rtnl, link)
  const set = address ? `the address ${address.text}` : route && `the route ${route.text}`
  return set === undefined ? { link } : { use: `${name} has ${set}` }
}

/** The interfaces on the host that a pod would take: those of a VF; of a PF its own, and those of its VFs. */
function interfacesOf({ files }: Host, { address, vf }: DeviceLocation): readonly string[] {
  const uplink = vf ? undefined : uplinkOf(files, address)
  // A PF's folder also has the representors of its VFs.
  const own = uplink === undefined ? netdevsOf(files, address) : [uplink]
  return vf ? own : [...own, ...vfsOf(files, address).flatMap((one) => netdevsOf(files, one.address))]
}

/**
 * What the host uses the interfaces of a function for; nothing when it does not use them, or the function has none there.
 * An interface that is merely up is not used. A PF is used when one of its VFs is: they need it.
 * @throws PluginError kind `kernel`
 */
export async function lookAtHostUse(host: Host, rtnl: Rtnl, location: DeviceLocation): Promise<HostUse> {
  let first: HostUse | undefined
  for (const name of interfacesOf(host, location)) {
    const found = await useOfInterface(host, rtnl, name)
    if (found.use !== undefined) {
      return found
    }
    first ??= found
  }
  return first ?? {}
}

/** The same in words, for who looks at one function only. @throws PluginError kind `kernel` */
export async function hostUseOf(host: Host, location: DeviceLocation): Promise<string | undefined> {
  if (interfacesOf(host, location).length === 0) {
    return undefined
  }
  using rtnl = openRtnl(host)
  return (await lookAtHostUse(host, rtnl, location)).use
}

/** Whether a default route of the host leads through an interface of a function. @throws PluginError kind `kernel` */
export async function carriesDefaultRoute(host: Host, location: DeviceLocation): Promise<boolean> {
  const names = interfacesOf(host, location)
  if (names.length === 0) {
    return false
  }
  using rtnl = openRtnl(host)
  for (const name of names) {
    const link = await linkByName(rtnl, name)
    const { routes } = link ? await hostConfigOf(rtnl, link) : { routes: [] }
    if (routes.some(({ text }) => text.startsWith(DEFAULT_ROUTE))) {
      return true
    }
  }
  return false
}
