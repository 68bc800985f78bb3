import { messageOf } from '../../errors.js'
import type { Log } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { linkByName, removeAltNames } from '../../rtnl/link.js'

/** A refusal can be temporary. */
const TRIES = 2

/**
 * Removes alternative names from an interface. A name that stays is logged and is no error. Kernels before 6.6 leave
 * the alternative names behind when an interface moves: it then shows names that the kernel does not find
 * (docs/kernels.md).
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
 * The alternative names of an interface that another interface in a namespace already has. Kernels before 6.6 still
 * find the interface itself by the names that it had there.
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
