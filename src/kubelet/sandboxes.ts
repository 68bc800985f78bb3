/** Asks a container runtime which pods' sandboxes are alive (CRI). */
import { create } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { ListPodSandboxRequestSchema, PodSandboxState, RuntimeService } from './generated/criruntime_pb.js'
import { ask, clientAt } from './methods.js'

const isUnknownService = (error: unknown): boolean => (error as { code?: unknown }).code === status.UNIMPLEMENTED

/**
 * The container IDs of the sandboxes that are ready; none where the program at the socket serves no pods (a containerd
 * without its CRI plugin). @throws Error when it does not answer
 */
export async function liveSandboxes(socketPath: string, timeoutMs: number): Promise<ReadonlySet<string>> {
  const client = clientAt(socketPath)
  try {
    const request = create(ListPodSandboxRequestSchema)
    const { items } = await ask(client, RuntimeService.method.listPodSandbox, request, timeoutMs)
    return new Set(items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY).map(({ id }) => id))
  } catch (error) {
    if (isUnknownService(error)) {
      return new Set()
    }
    throw error
  } finally {
    client.close()
  }
}
