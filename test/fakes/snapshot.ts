import type { FakeLink, FakeNetns } from './links.js'
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
 * Everything that an ADD may change and a DEL must give back. Lock files and interface indexes do not count, nor does
 * whose the MAC of a trusted VF is: nobody can see that.
 */
export function snapshot(world: FakeWorld) {
  return {
    namespaces: Object.fromEntries([...world.namespaces].map(([path, netns]) => [path, netnsFacts(netns)])),
    vfs: world.cards.flatMap(({ vfs }) =>
      vfs.map(({ address, settings, hasAdminMac, driver, driverOverride }) => ({
        address,
        ...settings,
        hasAdminMac: hasAdminMac && !settings.trust,
        driver,
        driverOverride: driverOverride ?? '',
      })),
    ),
    files: Object.fromEntries([...world.files].sort()),
    leases: Object.fromEntries([...world.leases].sort()),
    locks: [...world.locks],
    openDescriptors: world.openDescriptors,
  }
}
