/** RDMA devices by netlink: which are in a network namespace, and how one gets into another. */
import { errnoOf } from '../errors.js'
import type { Host, Netns } from '../host/ports.js'
import {
  RDMA_NLDEV_GET,
  RDMA_NLDEV_SET,
  type RdmaChange,
  type RdmaDevice,
  rdmaChangeMessage,
  rdmaDeviceIn,
  rdmaIndexMessage,
} from '../netlink/rdma.js'
import { type Conversation, converseBy } from './connection.js'

/** A conversation with the RDMA subsystem in one network namespace. */
export type Rdma = Conversation & Disposable

/** Opens a conversation in `netns`, or in the process's own namespace. @throws PluginError kind `kernel` */
export function openRdma(host: Pick<Host, 'kernel' | 'clock' | 'log'>, netns?: Netns): Rdma {
  return converseBy(host.kernel.openRdmaSocket(netns), netns?.path ?? 'the host', host)
}

/** The devices in the namespace of the conversation. @throws PluginError kind `kernel` */
export async function rdmaDevicesOf(rdma: Rdma): Promise<readonly RdmaDevice[]> {
  const answers = await rdma.dump({
    operation: 'list the RDMA devices',
    target: rdma.netnsPath,
    type: RDMA_NLDEV_GET,
    payload: Buffer.alloc(0),
  })
  return answers.flatMap(({ payload }) => rdmaDeviceIn(payload) ?? [])
}

/** The device with an index, if it is in the namespace of the conversation. @throws PluginError kind `kernel` */
export async function rdmaDeviceAt(rdma: Rdma, index: number): Promise<RdmaDevice | undefined> {
  try {
    const answer = await rdma.find({
      operation: 'look up the RDMA device',
      target: `RDMA device ${index}`,
      type: RDMA_NLDEV_GET,
      payload: rdmaIndexMessage(index),
    })
    return answer && rdmaDeviceIn(answer.payload)
  } catch (error) {
    // The kernel's word for none of that index in this namespace.
    if (errnoOf(error) === 'EINVAL') {
      return undefined
    }
    throw error
  }
}

/** Makes one change of a device that is in the namespace of the conversation. @throws PluginError kind `kernel` */
export function changeRdma(
  rdma: Rdma,
  index: number,
  change: RdmaChange,
  about: { readonly operation: string; readonly target: string; readonly driver?: string },
): Promise<void> {
  return rdma.change({ ...about, type: RDMA_NLDEV_SET, payload: rdmaChangeMessage(index, change) })
}
