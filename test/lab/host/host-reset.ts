import { rmSync } from 'node:fs'
import { removePods } from '../calls/pods.js'
import { bindByHand, driverOf, overrideOf } from './drivers.js'
import { type LinkView, linksIn, strayAltNamesOf } from './kernel-view.js'
import { ip, run, until } from './process.js'
import { LEASE_FOLDER, STATE_FOLDER } from './snapshot.js'
import { ALL_VFS, type Vf } from './virtual-functions.js'

const linkOf = (links: readonly LinkView[], { pci }: Vf): LinkView | undefined =>
  links.find(({ parentdev }) => parentdev === pci)

const macOf = ({ pf, index }: Vf): string => `02:1a:b0:00:0${pf.charAt(3)}:0${index}`

async function resetVf(vf: Vf, link: LinkView): Promise<void> {
  const { name, pf, index } = vf
  await ip(`link set dev ${link.ifname} down`)
  const stray = await strayAltNamesOf(link)
  for (const altname of (link.altnames ?? []).filter((name) => !stray.includes(name))) {
    await ip(`link property del dev ${link.ifname} altname ${altname}`)
  }
  if (link.ifname !== name) {
    await ip(`link set dev ${link.ifname} name ${name}`)
  }
  await ip(
    `link set dev ${pf} vf ${index} mac 00:00:00:00:00:00 vlan 0 max_tx_rate 0 min_tx_rate 0 spoofchk on trust off`,
  )
  await ip(`link set dev ${name} mtu 1500 promisc off allmulticast off address ${macOf(vf)}`)
  // The PF learns the MAC when the VF's driver resets it.
  await ip(`link set dev ${name} up`)
  await ip(`link set dev ${name} down`)
}

async function isReset(vf: Vf, links: readonly LinkView[]): Promise<boolean> {
  const own = linkOf(links, vf)
  const stray = own ? await strayAltNamesOf(own) : []
  const settings = links.find(({ ifname }) => ifname === vf.pf)?.vfinfo_list?.find((info) => info.vf === vf.index)
  return (
    own?.ifname === vf.name &&
    own.mtu === 1500 &&
    (own.altnames ?? []).every((name) => stray.includes(name)) &&
    ['UP', 'PROMISC', 'ALLMULTI'].every((flag) => !own.flags.includes(flag)) &&
    settings?.address === own.address &&
    settings.spoofchk &&
    !settings.trust &&
    settings.rate.max_tx === 0 &&
    settings.vlan_list.every(({ vlan }) => vlan === undefined)
  )
}

/** Puts the host in order after a test that did not, or that had prepared it in a way of its own. */
export async function resetHost(): Promise<void> {
  await removePods()
  await run('ip', ['netns', 'del', 'ctr'])
  rmSync(STATE_FOLDER, { recursive: true, force: true })
  rmSync(LEASE_FOLDER, { recursive: true, force: true })
  for (const vf of ALL_VFS.filter((one) => driverOf(one) !== 'igbvf' || overrideOf(one) !== '(null)')) {
    await bindByHand(vf, 'igbvf')
  }
  await until('every VF is back on the host', async () => {
    const links = await linksIn(undefined)
    return ALL_VFS.every((vf) => linkOf(links, vf) !== undefined)
  })
  const links = await linksIn(undefined)
  for (const vf of ALL_VFS) {
    const link = linkOf(links, vf)
    if (link && !(await isReset(vf, links))) {
      await resetVf(vf, link)
    }
  }
}
