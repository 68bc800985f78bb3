import { findByName, Refused } from '../../fakes/kernel/links.js'
import { resetVf, tellPfOwnMac } from '../../fakes/machine/card.js'
import { podPathAt } from '../../fakes/machine/node.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import type { Held } from './model.js'
import { ADDRESSES } from './node-state.js'
import type { Tampering } from './operations.js'

const TAMPERED_MAC = '02:bb:00:00:00:01'

/** What a pod with the rights to it does to its interface; does nothing where the kernel would refuse. */
export function tamper(world: FakeWorld, held: Held, what: Tampering, to: string): boolean {
  const pod = world.netns(podPathAt(held.pod))
  const found = world.vfAt(ADDRESSES[held.vf])
  const link = pod.links.find(({ parentDevice }) => parentDevice === ADDRESSES[held.vf])
  if (!link || !found) {
    return false
  }
  switch (what) {
    case 'rename':
      if (findByName(pod, to)) {
        return false
      }
      link.name = to
      return true
    case 'mac':
      try {
        tellPfOwnMac(found.card, found.vf, TAMPERED_MAC)
        link.mac = TAMPERED_MAC
        return true
      } catch (error) {
        if (error instanceof Refused) {
          return false
        }
        throw error
      }
    case 'mtu':
      link.mtu = 1280
      return true
    case 'down':
      Object.assign(link, { isUp: false, routes: [] })
      return true
    case 'up':
      link.mac = link.isUp ? link.mac : resetVf(found.card, found.vf, link.mac)
      link.isUp = true
      return true
    case 'promisc':
      link.isPromisc = !link.isPromisc
      return true
    case 'altname': {
      const name = `alias-${held.vf}`
      if (findByName(pod, name)) {
        return false
      }
      link.altNames.push(name)
      return true
    }
    case 'move home':
      if ([link.name, ...link.altNames].some((name) => findByName(world.host, name))) {
        return false
      }
      pod.links.splice(pod.links.indexOf(link), 1)
      world.host.links.push(Object.assign(link, { isUp: false, addresses: [], routes: [] }))
      return true
  }
}
