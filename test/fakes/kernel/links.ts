import { constants } from 'node:os'

export interface FakeAddress {
  readonly cidrKey: string
  readonly family: number
  readonly bytes: Buffer
  readonly prefixLength: number
  flags: number
}

export interface FakeRoute {
  readonly key: string
  readonly hasGateway: boolean
  /** The message that added it. */
  readonly payload: Buffer
}

/** A network interface; `parentDevice` is the PCI function behind it. */
export interface FakeLink {
  index: number
  name: string
  mac: string
  mtu: number
  readonly maxMtu: number
  isUp: boolean
  isPromisc: boolean
  isAllmulti: boolean
  hasCarrier: boolean
  altNames: string[]
  readonly parentDevice?: string
  /** Where two interfaces stand behind one function: which port this is. */
  readonly devPort?: number
  hasXdp?: boolean
  /** Absent for true. */
  hasArp?: boolean
  isMulticast?: boolean
  /** Absent for 0. */
  linkMode?: number
  /** What it has counted, in the order of struct rtnl_link_stats64. */
  traffic?: readonly number[]
  addresses: FakeAddress[]
  routes: FakeRoute[]
}

/** A network namespace; its interfaces in no order. */
export interface FakeNetns {
  readonly inode: number
  readonly links: FakeLink[]
  /**
   * Before Linux 6.6: the alternative names that were given in this namespace. They stay here when their interface leaves,
   * and lead to it wherever it is; absent where they move along.
   */
  altNames?: Map<string, FakeLink>
}

/** The refusal of an operation, by the name of its errno; `text` is what a driver adds. */
export class Refused extends Error {
  readonly errno: string
  readonly text: string | undefined

  constructor(errno: string, text?: string) {
    super(errno)
    this.errno = errno
    this.text = text
  }
}

export const errnoNumber = (name: string): number =>
  Object.entries(constants.errno).find(([key]) => key === name)?.[1] ?? 5

let lastIndex = 100

export const nextIndex = (): number => {
  lastIndex += 1
  return lastIndex
}

export function makeLink(given: Partial<FakeLink> & Pick<FakeLink, 'name'>): FakeLink {
  return {
    index: nextIndex(),
    mac: '02:00:00:00:00:99',
    mtu: 1500,
    maxMtu: 9000,
    isUp: false,
    isPromisc: false,
    isAllmulti: false,
    hasCarrier: true,
    altNames: [],
    addresses: [],
    routes: [],
    ...given,
  }
}

export const findByName = ({ links, altNames }: FakeNetns, name: string): FakeLink | undefined =>
  links.find((link) => link.name === name || (!altNames && link.altNames.includes(name))) ?? altNames?.get(name)

/** A name for a pattern such as `dev%d` (dev_alloc_name). */
export function freeName(netns: FakeNetns, pattern: string): string {
  if (!pattern.includes('%d')) {
    return pattern
  }
  for (let i = 0; ; i += 1) {
    const name = pattern.replace('%d', String(i))
    if (!findByName(netns, name)) {
      return name
    }
  }
}
