/** RDMA devices of a fake world, and how its kernel answers RDMA netlink (drivers/infiniband/core/nldev.c). */
import {
  decodeAttributes,
  encodeAttributes,
  textAttribute,
  textOf,
  u32Attribute,
  u32Of,
} from '../../../src/netlink/attribute.js'
import { NLM_F_DUMP } from '../../../src/netlink/constants.js'
import type { NetlinkMessage } from '../../../src/netlink/message.js'
import {
  RDMA_NLDEV_ATTR_DEV_INDEX,
  RDMA_NLDEV_ATTR_DEV_NAME,
  RDMA_NLDEV_GET,
  RDMA_NLDEV_NET_NS_FD,
  RDMA_NLDEV_SET,
} from '../../../src/netlink/rdma.js'
import type { FakeWorld } from '../machine/world.js'
import { answersTo } from './answers.js'
import { type FakeNetns, Refused } from './links.js'
import type { Conversation } from './rtnetlink.js'

export interface FakeRdmaDevice {
  readonly index: number
  name: string
  /** The PCI function that it belongs to. */
  readonly address: string
  netns: FakeNetns
}

export interface FakeRdma {
  isExclusive: boolean
  readonly devices: FakeRdmaDevice[]
}

/** Whether a device is to be seen in a namespace, by netlink and in sysfs. */
const isSeen = ({ isExclusive }: FakeRdma, device: FakeRdmaDevice, netns: FakeNetns): boolean =>
  !isExclusive || device.netns === netns

/** What the host's sysfs shows of the RDMA device of a function. */
export const rdmaFolder = ({ rdma, host }: FakeWorld, address: string, folder: string): string[] =>
  rdma.devices
    .filter((one) => one.address === address)
    .flatMap((device) =>
      folder === 'infiniband_verbs'
        ? [`uverbs${device.index}`]
        : folder === 'infiniband' && isSeen(rdma, device, host)
          ? [device.name]
          : [],
    )

function change({ world: { rdma }, netns, netnsOf }: Conversation, payload: Buffer): void {
  const attributes = decodeAttributes(payload)
  const index = u32Of(attributes, RDMA_NLDEV_ATTR_DEV_INDEX)
  const device = rdma.devices.find((one) => one.index === index && isSeen(rdma, one, netns))
  if (!device) {
    throw new Refused('EINVAL')
  }
  const name = textOf(attributes, RDMA_NLDEV_ATTR_DEV_NAME)
  if (name !== undefined) {
    if (rdma.devices.some((one) => one !== device && one.name === name)) {
      throw new Refused('EEXIST')
    }
    device.name = name
    return
  }
  const target = netnsOf(u32Of(attributes, RDMA_NLDEV_NET_NS_FD) ?? -1)
  if (!target || !rdma.isExclusive) {
    throw new Refused(target ? 'EOPNOTSUPP' : 'EINVAL')
  }
  device.netns = target
}

const isDump = ({ flags }: NetlinkMessage): boolean => (flags & NLM_F_DUMP) === NLM_F_DUMP

/** All that are to be seen, or the one that is asked for. */
function devicesMeant({ world: { rdma }, netns }: Conversation, request: NetlinkMessage): readonly FakeRdmaDevice[] {
  const seen = rdma.devices.filter((one) => isSeen(rdma, one, netns))
  if (isDump(request)) {
    return seen
  }
  const index = u32Of(decodeAttributes(request.payload), RDMA_NLDEV_ATTR_DEV_INDEX)
  const found = seen.filter((one) => one.index === index)
  if (found.length === 0) {
    throw new Refused('EINVAL')
  }
  return found
}

function carryOut(conversation: Conversation, request: NetlinkMessage): Buffer[] {
  const { type, payload } = request
  switch (type) {
    case RDMA_NLDEV_GET:
      return devicesMeant(conversation, request).map(({ index, name }) =>
        encodeAttributes([
          u32Attribute(RDMA_NLDEV_ATTR_DEV_INDEX, index),
          textAttribute(RDMA_NLDEV_ATTR_DEV_NAME, name),
        ]),
      )
    case RDMA_NLDEV_SET:
      change(conversation, payload)
      return []
    default:
      throw new Refused('EINVAL')
  }
}

/** The messages with which the kernel answers one request. */
export const answerRdma = (conversation: Conversation, request: NetlinkMessage): NetlinkMessage[] =>
  answersTo(request, request.type, () => carryOut(conversation, request))
