/** Asks kubelet and the container runtimes who is alive on this node. */
import { messageOf } from '../errors.js'
import type { liveSandboxes, PodName, podsOfDevices } from './asked.js'

/** Where container runtimes listen: containerd, CRI-O, k3s. */
const RUNTIME_SOCKETS = [
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/run/k3s/containerd/containerd.sock',
]

/** How to ask. */
export interface Asking {
  /** kubelet's pod-resources socket. */
  readonly kubelet: string
  exists(path: string): boolean
  readonly timeoutMs: number
  /** Loads what asks: gRPC takes long to load, and where nobody listens it is not needed. */
  load(): { readonly podsOfDevices: typeof podsOfDevices; readonly liveSandboxes: typeof liveSandboxes }
}

/**
 * The pods of devices by PCI address, and the container IDs of the sandboxes that are ready. Where nobody listens, they are
 * empty. @throws Error that names a socket where nobody answers
 */
export async function askLiving({ kubelet, exists, timeoutMs, load }: Asking): Promise<{
  readonly pods: ReadonlyMap<string, PodName>
  readonly sandboxes: ReadonlySet<string>
}> {
  const answerOf = async <T>(socket: string, question: () => Promise<T>): Promise<T | undefined> => {
    try {
      return exists(socket) ? await question() : undefined
    } catch (error) {
      throw new Error(`${socket} does not answer, so nobody can tell which pods are alive: ${messageOf(error)}`)
    }
  }
  const pods = await answerOf(kubelet, () => load().podsOfDevices(kubelet, timeoutMs))
  const sandboxes = new Set<string>()
  for (const socket of RUNTIME_SOCKETS) {
    const live = await answerOf(socket, () => load().liveSandboxes(socket, timeoutMs))
    for (const id of live ?? []) {
      sandboxes.add(id)
    }
  }
  return { pods: pods ?? new Map(), sandboxes }
}
