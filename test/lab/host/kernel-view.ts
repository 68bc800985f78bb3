import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { ip, must, run } from './process.js'
import type { Vf } from './virtual-functions.js'

/** What ip(8) prints of a VF's settings. */
export interface VfView {
  readonly vf: number
  readonly address: string
  readonly vlan_list: readonly { readonly vlan?: number; readonly qos?: number; readonly protocol?: string }[]
  readonly rate: { readonly max_tx: number; readonly min_tx: number }
  readonly spoofchk: boolean
  readonly trust: boolean
  readonly link_state: string
}

/** What ip(8) prints of an interface. */
export interface LinkView {
  readonly ifname: string
  readonly flags: readonly string[]
  readonly mtu: number
  readonly address: string
  readonly promiscuity: number
  readonly allmulti: number
  readonly operstate: string
  readonly altnames?: readonly string[]
  readonly parentdev?: string
  readonly linkinfo?: { readonly info_kind?: string }
  readonly vfinfo_list?: readonly VfView[]
}

export interface AddressView {
  readonly family: 'inet' | 'inet6'
  readonly local: string
  readonly prefixlen: number
  readonly scope: string
  readonly dadfailed?: boolean
  readonly tentative?: boolean
}

export interface RouteView {
  readonly dst: string
  readonly gateway?: string
  readonly dev: string
  readonly protocol?: string
}

/** The host, or a namespace made by `ip netns add`. */
export type Where = { readonly name: string } | undefined

const within = (where: Where): string => (where ? `-n ${where.name} ` : '')

/** The device behind an interface where the kernel does not say it, which is before 5.14. */
async function deviceOf({ ifname }: LinkView, where: Where): Promise<string | undefined> {
  if (!where) {
    return basename(readlinkSync(`/sys/class/net/${ifname}/device`))
  }
  const told = await must('ip', 'netns', 'exec', where.name, 'ethtool', '-i', ifname)
  return /^bus-info: (.+)$/m.exec(told)?.[1]
}

const isVirtual = ({ linkinfo, ifname }: LinkView): boolean => linkinfo?.info_kind !== undefined || ifname === 'lo'

async function withDevice(link: LinkView, where: Where): Promise<LinkView> {
  if (link.parentdev !== undefined || isVirtual(link)) {
    return link
  }
  const parentdev = await deviceOf(link, where).catch(() => undefined)
  return parentdev === undefined ? link : { ...link, parentdev }
}

export async function linksIn(where: Where): Promise<LinkView[]> {
  const links = JSON.parse((await ip(`${within(where)}-j -d link show`)) || '[]') as LinkView[]
  return Promise.all(links.map((link) => withDevice(link, where)))
}

export async function link(name: string, where?: Where): Promise<LinkView> {
  const found = (await linksIn(where)).find(({ ifname }) => ifname === name)
  if (!found) {
    throw new Error(`there is no interface ${name} in ${where?.name ?? 'the host'}`)
  }
  return found
}

/**
 * The alternative names that the kernel shows of an interface of the host and does not find: before 6.6 those that it had
 * in a namespace stay there when it moves.
 */
export async function strayAltNamesOf({ ifname, altnames = [] }: LinkView): Promise<string[]> {
  const looks = altnames.map(async (name) => {
    const found = await run('ip', ['-j', 'link', 'show', 'dev', name])
    return found.exitCode === 0 && found.stdout.includes(`"ifname":"${ifname}"`) && name !== ifname ? [] : [name]
  })
  return (await Promise.all(looks)).flat()
}

/** What the PF holds for a VF. */
export async function settingsOf({ pf, index }: Vf): Promise<VfView> {
  const found = (await link(pf)).vfinfo_list?.find((info) => info.vf === index)
  if (!found) {
    throw new Error(`${pf} reports no VF ${index}`)
  }
  return found
}

/** The addresses that are not link-local. */
export async function addressesIn(where: Where, name: string): Promise<AddressView[]> {
  const [view] = JSON.parse(await ip(`${within(where)}-j addr show dev ${name}`)) as { addr_info?: AddressView[] }[]
  return (view?.addr_info ?? []).filter(({ scope }) => scope !== 'link')
}

export const cidrsIn = async (where: Where, name: string): Promise<string[]> =>
  (await addressesIn(where, name)).map(({ local, prefixlen }) => `${local}/${prefixlen}`).sort()

/** `destination` or `destination via gateway` of every route that is not the kernel's own. */
export async function routesIn(where: Where): Promise<string[]> {
  const texts = [await ip(`${within(where)}-j -4 route show`), await ip(`${within(where)}-j -6 route show`)]
  return texts
    .flatMap((text) => JSON.parse(text || '[]') as RouteView[])
    .filter(({ protocol }) => protocol !== 'kernel')
    .map(({ dst, gateway }) => (gateway === undefined ? dst : `${dst} via ${gateway}`))
    .sort()
}
