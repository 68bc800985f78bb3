/** What the host had set on an interface that the policy lets be given to a pod: it comes back with the interface. */
import { comesBack } from '../../netlink/host-config.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { type HostEntry, hostConfigOf, setHostConfigAgain } from '../../rtnl/host-config.js'
import type { RecordedHostConfig } from '../../state/record.js'

const hexOf = (entries: readonly HostEntry[]): string[] => entries.map(({ payload }) => payload.toString('hex'))
const entriesOf = (hex: readonly string[]): HostEntry[] =>
  hex.map((text) => ({ text: 'of before', payload: Buffer.from(text, 'hex') }))

/** The addresses and routes to record; undefined when there are none. @throws PluginError kind `kernel` */
export async function readHostConfig(rtnl: Rtnl, interfaceIndex: number): Promise<RecordedHostConfig | undefined> {
  const { addresses, routes } = await hostConfigOf(rtnl, interfaceIndex)
  const kept = routes.filter(({ payload }) => !comesBack(payload))
  return addresses.length + kept.length > 0 ? { addresses: hexOf(addresses), routes: hexOf(kept) } : undefined
}

/** Sets what was recorded on the interface, which is home and up by now. @throws PluginError kinds `kernel`, `wire` */
export const restoreHostConfig = (
  rtnl: Rtnl,
  link: { readonly index: number; readonly name: string },
  { addresses, routes }: RecordedHostConfig,
): Promise<void> => setHostConfigAgain(rtnl, link, { addresses: entriesOf(addresses), routes: entriesOf(routes) })
