import type { Host } from '../../../src/host/ports.js'
import {
  type Attribute,
  decodeAttributes,
  encodeAttributes,
  findAttribute,
  u32Attribute,
} from '../../../src/netlink/attribute.js'
import { IFLA_VFINFO_LIST, NLA_TYPE_MASK, RTM_NEWLINK } from '../../../src/netlink/constants.js'
import { decodeLinkMessage } from '../../../src/netlink/link.js'
import { decodeMessages, encodeMessages } from '../../../src/netlink/message.js'
import { leaseProgram } from '../ipam.js'
import { makeLink } from '../kernel/links.js'
import { ableDriver, type FakeCard, type FakeVf, freshSettings, igbDriver, type PfDriver } from './card.js'
import { IPAM_PATH } from './machine.js'
import { FakeWorld } from './world.js'

/** A node: one PF for each driver, as many VFs behind each, and so many pods. */
export interface NodeShape {
  readonly drivers: readonly PfDriver[]
  readonly vfsPerPf: number
  readonly pods: number
}

/** One VF of a node, by the number of its PF and its index there. */
export interface VfPlace {
  readonly pf: number
  readonly index: number
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

/** Routing IDs as SR-IOV cards give them: VFs 0x80 behind their PF, over several buses where there are many. */
const pciAddress = (routingId: number): string =>
  `0000:${hex(routingId >> 8, 2)}:${hex((routingId >> 3) & 31, 2)}.${routingId & 7}`

const pfRoutingId = (pf: number): number => (pf * 0x10 + 1) << 8

export const pfNameAt = (pf: number): string => `ens${pf + 1}f0`
export const pfAddressAt = (pf: number): string => pciAddress(pfRoutingId(pf))
export const vfAddressAt = ({ pf, index }: VfPlace): string => pciAddress(pfRoutingId(pf) + 0x80 + index)
export const vfNameAt = ({ pf, index }: VfPlace): string => `${pfNameAt(pf)}v${index}`
export const vfMacAt = ({ pf, index }: VfPlace): string => `02:00:00:${hex(pf, 2)}:${hex(index, 2)}:02`
export const vfAltNameAt = ({ pf, index }: VfPlace): string => `enp${pf + 1}s0f0v${index}`

export const podPathAt = (pod: number): string => `/run/netns/pod-${pod}`

function makeCard(pf: number, driver: PfDriver, vfsPerPf: number): FakeCard {
  const vfs = Array.from(
    { length: vfsPerPf },
    (_, index): FakeVf => ({
      address: vfAddressAt({ pf, index }),
      index,
      driver: driver === igbDriver ? 'igbvf' : 'ablevf',
      // igbvf tells its PF its MAC as soon as it is bound.
      settings: { ...freshSettings(), ...(driver.showsVfMac && { mac: vfMacAt({ pf, index }) }) },
      hasAdminMac: false,
      unreported: [],
    }),
  )
  return { address: pfAddressAt(pf), driver, vfs }
}

/** A pod as its runtime makes it: a namespace with an interface of the cluster's network. */
export function addPod(world: FakeWorld, path: string): void {
  world.addNetns(path).links.push(makeLink({ name: 'eth0', mac: '02:00:00:00:0a:01', isUp: true }))
}

/** A node with several cards, pods and an IPAM plugin. */
export function makeNode({ drivers, vfsPerPf, pods }: NodeShape): FakeWorld {
  const world = new FakeWorld()
  world.host.links.push(makeLink({ name: 'lo', mac: '00:00:00:00:00:00', isUp: true }))
  for (const [pf, driver] of drivers.entries()) {
    const card = makeCard(pf, driver, vfsPerPf)
    world.cards.push(card)
    world.host.links.push(
      makeLink({ name: pfNameAt(pf), mac: `02:00:00:${hex(pf, 2)}:ff:01`, isUp: true, parentDevice: card.address }),
      ...card.vfs.map(({ address, index }) =>
        makeLink({
          name: vfNameAt({ pf, index }),
          mac: vfMacAt({ pf, index }),
          parentDevice: address,
          altNames: [vfAltNameAt({ pf, index })],
        }),
      ),
    )
  }
  for (let pod = 0; pod < pods; pod += 1) {
    addPod(world, podPathAt(pod))
  }
  world.programs.set(IPAM_PATH, leaseProgram())
  world.folders.add('/run/netns')
  return world
}

/** Three cards of two kinds: what the random sequences run on. */
export const SMALL_NODE: NodeShape = { drivers: [ableDriver, igbDriver, ableDriver], vfsPerPf: 4, pods: 5 }

const LINK_HEADER_BYTES = 16
const IFLA_NUM_VF = 21
const IFLA_VF_RSS_QUERY_EN = 7
const IFLA_VF_STATS = 8
const IFLA_VF_BROADCAST = 13
const U16_MODULUS = 0x1_0000

/** IFLA_VF_MAC comes first, the index first in it. */
const vfIndexIn = ({ payload }: Attribute): number => payload.readUInt32LE(4)

/** What the kernel adds to each VF beside what the plugin reads (rtnl_fill_vfinfo of net/core/rtnetlink.c). */
function kernelVfInfo({ type, payload }: Attribute, hasStats: boolean): Attribute {
  const index = vfIndexIn({ type, payload })
  const counters = Array.from({ length: 8 }, (_, counter) => ({ type: counter, payload: Buffer.alloc(8, 0x11) }))
  const info = [
    ...decodeAttributes(payload),
    { type: IFLA_VF_BROADCAST, payload: Buffer.alloc(32, 0xff) },
    { type: IFLA_VF_RSS_QUERY_EN, payload: Buffer.from(Uint32Array.of(index, 0).buffer) },
    ...(hasStats ? [{ type: IFLA_VF_STATS, payload: encodeAttributes(counters) }] : []),
  ]
  return { type, payload: encodeAttributes(info) }
}

/** A list whose 16-bit length has wrapped around (nla_nest_end): its bytes follow all the same. */
function listBytes(type: number, infos: readonly Attribute[]): Buffer {
  const payload = encodeAttributes(infos)
  const header = Buffer.alloc(4)
  header.writeUInt16LE((header.length + payload.length) % U16_MODULUS, 0)
  header.writeUInt16LE(type, 2)
  return Buffer.concat([header, payload])
}

/** The link message as a kernel sends it that reports all it knows of a VF, in the order of the VFs. */
function kernelLinkMessage(payload: Buffer, hasStats: boolean): Buffer {
  const { attributes } = decodeLinkMessage(payload)
  const list = findAttribute(attributes, IFLA_VFINFO_LIST)
  if (!list) {
    return payload
  }
  const infos = decodeAttributes(list.payload)
    .sort((left, right) => vfIndexIn(left) - vfIndexIn(right))
    .map((info) => kernelVfInfo(info, hasStats))
  const others = attributes.filter((attribute) => attribute !== list)
  const isBefore = ({ type }: Attribute) => (type & NLA_TYPE_MASK) <= IFLA_NUM_VF
  return Buffer.concat([
    payload.subarray(0, LINK_HEADER_BYTES),
    encodeAttributes([...others.filter(isBefore), u32Attribute(IFLA_NUM_VF, infos.length)]),
    listBytes(list.type & NLA_TYPE_MASK, infos),
    encodeAttributes(others.filter((attribute) => !isBefore(attribute))),
  ])
}

/** Which kernel a node has: before 6.2 it adds 100 bytes of counters to each VF, whether they are wanted or not. */
export interface VfReports {
  readonly hasStats: boolean
  /** Told of every datagram that is received, with its size in bytes. */
  readonly onReceive?: (bytes: number) => void
}

/** The ports of a node whose kernel reports its VFs at full length: above 221 with counters, or 334, the list overflows. */
export function withKernelVfLists(host: Host, { hasStats, onReceive }: VfReports): Host {
  const { kernel } = host
  return {
    ...host,
    kernel: {
      ...kernel,
      openRouteSocket(netns) {
        const socket = kernel.openRouteSocket(netns)
        return {
          ...socket,
          async receive(timeoutMs) {
            const messages = decodeMessages(await socket.receive(timeoutMs)).map((message) =>
              message.type === RTM_NEWLINK
                ? { ...message, payload: kernelLinkMessage(message.payload, hasStats) }
                : message,
            )
            const datagram = encodeMessages(messages)
            onReceive?.(datagram.length)
            return datagram
          },
        }
      },
    },
  }
}
