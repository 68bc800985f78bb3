/** RDMA devices by netlink: which are in a network namespace, and how one gets into another. */
import type { Host, Netns } from '../host/ports.js'
import {
  RDMA_NLDEV_GET,
  RDMA_NLDEV_SET,
  type RdmaChange,
  type RdmaDevice,
  rdmaChangeMessage,
  rdmaDeviceIn,
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

/** Makes one change of a device that is in the namespace of the conversation. @throws PluginError kind `kernel` */
export function changeRdma(
  rdma: Rdma,
  index: number,
  change: RdmaChange,
  about: { readonly operation: string; readonly target: string; readonly driver?: string },
): Promise<void> {
  return rdma.change({ ...about, type: RDMA_NLDEV_SET, payload: rdmaChangeMessage(index, change) })
}
