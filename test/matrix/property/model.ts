import { type FakeNetns, findByName } from '../../fakes/kernel/links.js'
import { igbDriver } from '../../fakes/machine/card.js'
import { podPathAt, SMALL_NODE } from '../../fakes/machine/node.js'
import { BOOT_ID_PATH, type FakeWorld } from '../../fakes/machine/world.js'
import { IPAM } from '../../fakes/scenarios.js'
import { ADDRESSES, PLACES, type Remembered, remembered, type VfFacts } from './node-state.js'
import type { Interface } from './operations.js'

/** An attachment that an ADD has made and nobody has ended. */
export interface Held extends Interface {
  readonly vf: number
  readonly conf: number
  readonly netns: FakeNetns
  readonly bootId: string
  /** As it was left by the ADD, or by what the pod did to it since. */
  seen: VfFacts
  isTampered: boolean
}

export const containerOf = ({ pod }: Pick<Interface, 'pod'>): string => `c${pod}`
export const keyOf = (one: Interface): string => `${containerOf(one)} ${one.ifName}`
export const bootIdOf = ({ files }: FakeWorld): string => files.get(BOOT_ID_PATH)?.trim() ?? ''

export const wantedMac = ({ pod, ifName }: Interface): string => `02:aa:00:00:0${pod}:0${ifName.slice(3)}`

/** The configuration number `conf` of an interface. The last one is more than igb can do. */
export function confOf(conf: number, one: Interface): object {
  const mac = wantedMac(one)
  return [
    {},
    {
      ...IPAM,
      vlan: 100,
      vlanQoS: 3,
      mac,
      max_tx_rate: 200,
      spoofchk: 'off',
      mtu: 2000,
      promisc: true,
      allmulti: true,
    },
    { ...IPAM, vlan: 7, trust: 'on' },
    { mac },
    { ...IPAM, vlan: 5, vlanProto: '802.1ad', link_state: 'enable', min_tx_rate: 10, max_tx_rate: 50 },
  ][conf] as object
}

/** What of a VF must be as configuration `conf` asks. */
export function wantedOf(conf: number, one: Interface) {
  const mac = wantedMac(one)
  const vlan = (id: number, qos: number) => ({ vlan: id, vlanQoS: qos, vlanProto: '802.1q' })
  return [
    { settings: {}, netdev: { isUp: true } },
    {
      settings: { ...vlan(100, 3), mac, maxTxRateMbps: 200, spoofchk: false },
      netdev: { mac, mtu: 2000, isPromisc: true, isAllmulti: true, isUp: true },
    },
    { settings: { ...vlan(7, 0), trust: true }, netdev: { isUp: true } },
    { settings: { mac }, netdev: { mac, isUp: true } },
    {
      settings: { vlan: 5, vlanProto: '802.1ad', linkState: 'enable', minTxRateMbps: 10, maxTxRateMbps: 50 },
      netdev: { isUp: true },
    },
  ][conf] as { settings: object; netdev: object }
}

const isRefusedByDriver = (conf: number, vf: number): boolean =>
  conf === 4 && SMALL_NODE.drivers[PLACES[vf]?.pf ?? 0] === igbDriver

const hasVf = (netns: FakeNetns | undefined, address: string | undefined): boolean =>
  netns?.links.some(({ parentDevice }) => parentDevice === address) ?? false

/** Whether the pod of a record is there and has its VF: same boot, same namespace. */
export function isAlive(world: FakeWorld, { path, inode, bootId, deviceId }: Remembered): boolean {
  const netns = world.namespaces.get(path)
  return bootId === bootIdOf(world) && String(netns?.inode) === inode && hasVf(netns, deviceId)
}

export const isHeldAlive = (world: FakeWorld, held: Held): boolean =>
  held.bootId === bootIdOf(world) &&
  world.namespaces.get(podPathAt(held.pod)) === held.netns &&
  hasVf(held.netns, ADDRESSES[held.vf])

/** What an ADD must answer: 0 for success, a CNI code, or several where the model does not know. */
export interface Expectation {
  readonly codes: readonly number[]
  /** A refusal has nothing to clean up before: the world must be as it was. */
  readonly isPure: boolean
}

export function expectAdd(world: FakeWorld, one: Interface, vf: number, conf: number): Expectation {
  const netns = world.namespaces.get(podPathAt(one.pod))
  if (!netns) {
    return { codes: [8], isPure: true }
  }
  const all = remembered(world)
  const own = all.filter(({ key }) => key === keyOf(one))
  if (own.some((record) => record.phase === 'attached' && isAlive(world, record))) {
    return { codes: [104], isPure: true }
  }
  const ofVf = all.filter(({ key, deviceId }) => key !== keyOf(one) && deviceId === ADDRESSES[vf])
  if (ofVf.some((record) => record.phase === 'attached' && isAlive(world, record))) {
    return { codes: [102], isPure: own.length === 0 }
  }
  const isPure = own.length === 0 && ofVf.length === 0
  const holder = findByName(netns, one.ifName)
  const leftovers = [...own.map(({ deviceId }) => deviceId), ADDRESSES[vf]]
  if (holder && holder.parentDevice === undefined) {
    return { codes: [103], isPure }
  }
  const code = isRefusedByDriver(conf, vf) ? 100 : 0
  if (holder) {
    // A leftover leaves the pod before the name is looked at, unless its VF is another's by now.
    return { codes: leftovers.includes(holder.parentDevice) ? [code, 103] : [103], isPure }
  }
  return { codes: [code], isPure }
}
