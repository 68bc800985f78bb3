/** What the host had set on an interface that the policy lets be given to a pod: it comes back with the interface. */
import type { Log } from '../../host/ports.js'
import { comesBack, hostAddressText } from '../../netlink/host-config.js'
import type { Link } from '../../netlink/link.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { type HostEntry, hostConfigOf, setHostConfigAgain } from '../../rtnl/host-config.js'
import type { RecordedHostConfig } from '../../state/record.js'

const hexOf = (entries: readonly HostEntry[]): string[] => entries.map(({ payload }) => payload.toString('hex'))
const entriesOf = (hex: readonly string[], textOf: (payload: Buffer) => string | undefined): HostEntry[] =>
  hex.map((text) => {
    const payload = Buffer.from(text, 'hex')
    return { text: textOf(payload) ?? 'of the host', payload }
  })

/** The addresses and routes to record; undefined when there are none. @throws PluginError kind `kernel` */
export async function readHostConfig(rtnl: Rtnl, link: Link): Promise<RecordedHostConfig | undefined> {
  const { addresses, routes } = await hostConfigOf(rtnl, link)
  const kept = routes.filter(({ payload }) => !comesBack(payload))
  return addresses.length + kept.length > 0 ? { addresses: hexOf(addresses), routes: hexOf(kept) } : undefined
}

/**
 * Sets what was recorded on the interface, which is home and up by now. What the kernel refuses is logged: it keeps no
 * VF. @throws PluginError kind `wire`
 */
export async function restoreHostConfig(
  { rtnl, log }: { readonly rtnl: Rtnl; readonly log: Log },
  link: { readonly index: number; readonly name: string },
  { addresses, routes }: RecordedHostConfig,
): Promise<void> {
  const refused = await setHostConfigAgain(rtnl, link, {
    addresses: entriesOf(addresses, hostAddressText),
    routes: entriesOf(routes, () => undefined),
  })
  if (refused.length > 0) {
    log.error('what the host had set on the interface did not come back entirely', { interface: link.name, refused })
  }
}
