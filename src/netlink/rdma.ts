/**
 * Messages of RDMA netlink about RDMA devices (include/uapi/rdma/rdma_netlink.h; drivers/infiniband/core/nldev.c). A
 * message has attributes only, no header of its own.
 */
import { decodeAttributes, encodeAttributes, textAttribute, textOf, u32Attribute, u32Of } from './attribute.js'

export const NETLINK_RDMA = 20

const RDMA_NL_NLDEV = 5
const CLIENT_SHIFT = 10
const typeOf = (command: number): number => (RDMA_NL_NLDEV << CLIENT_SHIFT) + command

/** Types of messages: RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_…). */
export const RDMA_NLDEV_GET = typeOf(1)
export const RDMA_NLDEV_SET = typeOf(2)

export const RDMA_NLDEV_ATTR_DEV_INDEX = 1
export const RDMA_NLDEV_ATTR_DEV_NAME = 2
export const RDMA_NLDEV_NET_NS_FD = 68

/** An RDMA device. No other device gets its index while the machine runs; its name can be changed. */
export interface RdmaDevice {
  readonly index: number
  readonly name: string
}

/** What to change of a device: its name, or the namespace that it is in, by a descriptor. */
export type RdmaChange = { readonly name: string } | { readonly netnsFd: number }

/** The device that a request is about. */
export const rdmaIndexMessage = (index: number): Buffer =>
  encodeAttributes([u32Attribute(RDMA_NLDEV_ATTR_DEV_INDEX, index)])

export const rdmaChangeMessage = (index: number, change: RdmaChange): Buffer =>
  encodeAttributes([
    u32Attribute(RDMA_NLDEV_ATTR_DEV_INDEX, index),
    'name' in change
      ? textAttribute(RDMA_NLDEV_ATTR_DEV_NAME, change.name)
      : u32Attribute(RDMA_NLDEV_NET_NS_FD, change.netnsFd),
  ])

/** Reads the answer to RDMA_NLDEV_GET; undefined when it names no device. @throws PluginError kind `wire` */
export function rdmaDeviceIn(payload: Buffer): RdmaDevice | undefined {
  const attributes = decodeAttributes(payload)
  const index = u32Of(attributes, RDMA_NLDEV_ATTR_DEV_INDEX)
  const name = textOf(attributes, RDMA_NLDEV_ATTR_DEV_NAME)
  return index === undefined || name === undefined ? undefined : { index, name }
}
