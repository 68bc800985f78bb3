import { ip } from './process.js'
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

export const linksIn = async (where: Where): Promise<LinkView[]> =>
  JSON.parse((await ip(`${within(where)}-j -d link show`)) || '[]') as LinkView[]

export async function link(name: string, where?: Where): Promise<LinkView> {
  const found = (await linksIn(where)).find(({ ifname }) => ifname === name)
  if (!found) {
    throw new Error(`there is no interface ${name} in ${where?.name ?? 'the host'}`)
  }
  return found
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
