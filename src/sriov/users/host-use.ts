/** What the host itself does with the interface of a function: then it is not given to a pod. */
import type { Host } from '../../host/ports.js'
import { netdevsOf, uplinkOf, vfsOf } from '../../pci/functions.js'
import { openRtnl, type Rtnl } from '../../rtnl/connection.js'
import { hostConfigOf } from '../../rtnl/host-config.js'
import { linkByName } from '../../rtnl/link.js'
import type { DeviceLocation } from '../device/locate.js'

/** How hostRouteText() begins for a default route. */
const DEFAULT_ROUTE = 'default'
const INTERFACES = '/sys/class/net'
const UPPER = /^upper_(.+)$/

/** The interfaces above one: bridge, bond, VLAN, VRF, Open vSwitch (Documentation/ABI/testing/sysfs-class-net). */
const uppersOf = ({ files }: Host, name: string): string[] =>
  files.list(`${INTERFACES}/${name}`).flatMap((entry) => UPPER.exec(entry)?.[1] ?? [])

async function useOfInterface(host: Host, rtnl: Rtnl, name: string): Promise<string | undefined> {
  const [upper] = uppersOf(host, name)
  if (upper !== undefined) {
    return `${name} is part of ${upper}`
  }
  const link = await linkByName(rtnl, name)
  if (!link) {
    return undefined
  }
  if (link.hasXdp) {
    return `${name} has an XDP program`
  }
  const {
    addresses: [address],
    routes: [route],
  } = await hostConfigOf(rtnl, link.index)
  return address ? `${name} has the address ${address.text}` : route ? `${name} has the route ${route.text}` : undefined
}

/** The interfaces on the host that a pod would take: those of a VF; of a PF its own, and those of its VFs. */
function interfacesOf({ files }: Host, { address, vf }: DeviceLocation): readonly string[] {
  const uplink = vf ? undefined : uplinkOf(files, address)
  // A PF's folder also has the representors of its VFs.
  const own = uplink === undefined ? netdevsOf(files, address) : [uplink]
  return vf ? own : [...own, ...vfsOf(files, address).flatMap((one) => netdevsOf(files, one.address))]
}

/**
 * What the host uses the interfaces of a function for, in words; undefined when it does not use them, or the function has
 * none there. An interface that is merely up is not used. A PF is used when one of its VFs is: they need it.
 * @throws PluginError kind `kernel`
 */
export async function hostUseOf(host: Host, location: DeviceLocation): Promise<string | undefined> {
  const names = interfacesOf(host, location)
  if (names.length === 0) {
    return undefined
  }
  using rtnl = openRtnl(host)
  for (const name of names) {
    const use = await useOfInterface(host, rtnl, name)
    if (use !== undefined) {
      return use
    }
  }
  return undefined
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
    const { routes } = link ? await hostConfigOf(rtnl, link.index) : { routes: [] }
    if (routes.some(({ text }) => text.startsWith(DEFAULT_ROUTE))) {
      return true
    }
  }
  return false
}
