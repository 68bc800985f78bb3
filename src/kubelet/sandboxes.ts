/** Asks a container runtime which pods' sandboxes are alive (CRI). */
import { create } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import {
  type ListPodSandboxRequest,
  ListPodSandboxRequestSchema,
  type ListPodSandboxResponse,
  PodSandboxState,
  RuntimeService,
} from './generated/criruntime_pb.js'
import { ask, clientAt } from './methods.js'

/** As kubelet has it (pkg/kubelet/cri/remote). The annotations of all pods are in the answer, and pods write those. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

const V1 = RuntimeService.method.listPodSandbox
/** What containerd before 1.6 speaks: the messages that are asked for are the same. */
const V1ALPHA2 = { ...V1, parent: { ...V1.parent, typeName: 'runtime.v1alpha2.RuntimeService' } } as typeof V1

const isUnknownService = (error: unknown): boolean => (error as { code?: unknown }).code === status.UNIMPLEMENTED

/**
 * The container IDs of the sandboxes that are ready; none where the program at the socket serves no pods (a containerd
 * without its CRI plugin). @throws Error when it does not answer
 */
export async function liveSandboxes(socketPath: string, timeoutMs: number): Promise<ReadonlySet<string>> {
  const client = clientAt(socketPath, { 'grpc.max_receive_message_length': MAX_ANSWER_BYTES })
  const request: ListPodSandboxRequest = create(ListPodSandboxRequestSchema, {
    filter: { state: { state: PodSandboxState.SANDBOX_READY } },
  })
  const answerOf = async (method: typeof V1): Promise<ListPodSandboxResponse | undefined> => {
    try {
      return await ask(client, method, request, timeoutMs)
    } catch (error) {
      if (isUnknownService(error)) {
        return undefined
      }
      throw error
    }
  }
  try {
    const answer = (await answerOf(V1)) ?? (await answerOf(V1ALPHA2))
    const live = answer?.items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY) ?? []
    return new Set(live.map(({ id }) => id))
  } finally {
    client.close()
  }
}
