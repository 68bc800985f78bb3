import type { FakeLink, FakeNetns } from '../../fakes/kernel/links.js'
import { makeNode, SMALL_NODE, type VfPlace, vfAddressAt, vfNameAt } from '../../fakes/machine/node.js'
import type { FakeWorld } from '../../fakes/machine/world.js'

export const STATE_FOLDER = '/var/lib/cni/sriov'

/** Every VF of the node, in the order of the numbers that operations use. */
export const PLACES: readonly VfPlace[] = SMALL_NODE.drivers.flatMap((_, pf) =>
  Array.from({ length: SMALL_NODE.vfsPerPf }, (_one, index) => ({ pf, index })),
)

export const ADDRESSES: readonly string[] = PLACES.map(vfAddressAt)

/** VFs that differ before the first ADD: as they come, set up by an administrator, with an administered MAC, shown. */
function season(world: FakeWorld): FakeWorld {
  for (const place of PLACES) {
    const vf = world.vf(vfAddressAt(place))
    const link = world.link(world.host, vfNameAt(place))
    if (place.index === 1) {
      Object.assign(vf.settings, { vlan: 7, vlanQoS: 1, maxTxRateMbps: 500, spoofchk: false })
      Object.assign(link, { mtu: 1400, isUp: true, isPromisc: true })
    } else if (place.index === 2) {
      vf.hasAdminMac = true
      vf.settings.mac = link.mac
    } else if (place.index === 3) {
      vf.settings.mac = link.mac
      vf.settings.trust = true
    }
  }
  return world
}

export const makeSeasonedNode = (): FakeWorld => season(makeNode(SMALL_NODE))

/** Where the interface of a VF is; undefined while the kernel takes its namespace apart. */
export function whereIs(world: FakeWorld, address: string): { netns: FakeNetns; link: FakeLink } | undefined {
  for (const netns of world.namespaces.values()) {
    const link = netns.links.find(({ parentDevice }) => parentDevice === address)
    if (link) {
      return { netns, link }
    }
  }
  return undefined
}

/** What can be seen of a VF: what its PF holds, and its interface, the name apart. */
export function vfFacts(world: FakeWorld, address: string) {
  const { settings, hasAdminMac, driver } = world.vf(address)
  const place = whereIs(world, address)
  const { index: _index, name: _name, addresses = [], routes = [], altNames = [], ...netdev } = place?.link ?? {}
  return {
    netns: place?.netns.inode,
    settings: { ...settings },
    hasAdminMac: hasAdminMac && !settings.trust,
    driver,
    netdev,
    altNames: [...altNames].sort(),
    addresses: addresses.map(({ cidrKey }) => cidrKey).sort(),
    routes: routes.map(({ key }) => key).sort(),
  }
}

export type VfFacts = ReturnType<typeof vfFacts>

/** What the state folder remembers of one attachment. `isClaim`: a claim without a record. */
export interface Remembered {
  readonly key: string
  readonly deviceId: string
  readonly phase: string
  readonly path: string
  readonly inode: string
  readonly bootId: string
  readonly isClaim: boolean
}

function read(text: string, isClaim: boolean): Remembered {
  const { containerId, ifName, deviceId, phase, netns, bootId } = JSON.parse(text)
  return { key: `${containerId} ${ifName}`, deviceId, phase, path: netns.path, inode: netns.inode, bootId, isClaim }
}

/** Records, and claims that have no record. */
export function remembered({ files }: FakeWorld): Remembered[] {
  const found = [...files].flatMap(([path, text]) => {
    const name = path.startsWith(`${STATE_FOLDER}/`) ? path.slice(STATE_FOLDER.length + 1) : '/'
    return name.includes('/') || (name.startsWith('.') && !name.startsWith('.vf-'))
      ? []
      : [read(text, name.startsWith('.vf-'))]
  })
  const records = found.filter(({ isClaim }) => !isClaim)
  return [
    ...records,
    ...found.filter(
      ({ isClaim, key, deviceId }) =>
        isClaim && !records.some((record) => record.key === key && record.deviceId === deviceId),
    ),
  ]
}
