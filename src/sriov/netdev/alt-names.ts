import { messageOf } from '../../errors.js'
import type { Log } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { linkByName, removeAltNames } from '../../rtnl/link.js'

/** A refusal may be of the moment. */
const TRIES = 2

/**
 * Takes alternative names away from an interface. One that stays is logged, and no error: kernels before 6.6 leave an
 * interface's alternative names behind when it moves, so they show names that they do not find (docs/kernels.md).
 */
export async function dropAltNames(
  { rtnl, log }: { readonly rtnl: Rtnl; readonly log: Log },
  { index }: Link,
  names: readonly string[],
  target: string,
): Promise<void> {
  for (const name of names) {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      try {
        await removeAltNames(rtnl, index, [name], target)
        break
      } catch (error) {
        if (tries === TRIES) {
          log.warning('an alternative name stays', { name, interface: target, error: messageOf(error) })
        }
      }
    }
  }
}

/**
 * Those of an interface's alternative names that another interface of a namespace has. Kernels before 6.6 still find
 * the interface itself by the names that it had there.
 */
export async function takenAltNames(rtnl: Rtnl, { index, name, mac, altNames }: Link): Promise<readonly string[]> {
  const taken: string[] = []
  for (const altName of altNames) {
    const holder = await linkByName(rtnl, altName)
    const isItself = holder?.index === index && holder.name === name && holder.mac === mac
    if (holder && !isItself) {
      taken.push(altName)
    }
  }
  return taken
}
