import { ZERO_MAC } from '../../../src/netlink/mac.js'
import { JOURNAL } from '../../../src/state/journal.js'
import type { FakeLink, FakeNetns } from '../kernel/links.js'
import type { FakeCard, FakeVf } from './card.js'
import type { FakeWorld } from './world.js'

const linkFacts = ({ index: _index, addresses, routes, altNames, ...facts }: FakeLink) => ({
  ...facts,
  altNames: [...altNames].sort(),
  addresses: addresses.map(({ cidrKey }) => cidrKey).sort(),
  routes: routes.map(({ key }) => key).sort(),
})

const netnsFacts = ({ links }: FakeNetns) =>
  links.map(linkFacts).sort((left, right) => left.name.localeCompare(right.name))

/**
 * The MAC that the PF shows for a VF. igb shows the VF's own once the VF has told it, and none before; that a VF tells it
 * is no change that could be taken back.
 */
function shownMac(
  world: FakeWorld,
  { driver }: FakeCard,
  { address, settings, hasAdminMac, isForgotten }: FakeVf,
): string {
  const links = [...world.namespaces.values()].flatMap((netns) => netns.links)
  const own = links.find(({ parentDevice }) => parentDevice === address)?.mac
  const isOwn = settings.mac === own || settings.mac === ZERO_MAC
  return driver.showsVfMac && !(hasAdminMac && !settings.trust) && !isForgotten && isOwn ? 'its own' : settings.mac
}

/**
 * Everything that an ADD may change and a DEL must give back. Lock files and interface indexes do not count, nor does
 * whose the MAC of a trusted VF is: nobody can see that.
 */
export function snapshot(world: FakeWorld) {
  return {
    namespaces: Object.fromEntries([...world.namespaces].map(([path, netns]) => [path, netnsFacts(netns)])),
    vfs: world.cards.flatMap((card) =>
      card.vfs.map((vf) => ({
        address: vf.address,
        ...vf.settings,
        mac: shownMac(world, card, vf),
        hasAdminMac: vf.hasAdminMac && !vf.settings.trust,
        driver: vf.driver,
        driverOverride: vf.driverOverride ?? '',
      })),
    ),
    rdma: world.rdma.devices.map(({ name, netns }) => ({ name, netns: netns.inode })),
    // The journal tells of calls, and stays.
    files: Object.fromEntries([...world.files].filter(([path]) => !path.startsWith(JOURNAL)).sort()),
    leases: Object.fromEntries([...world.leases].sort()),
    locks: [...world.locks],
    openDescriptors: world.openDescriptors,
  }
}
