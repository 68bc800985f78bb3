/** Asks a container runtime what kubelet asks it (CRI v1). */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf'
import { ask, clientAt, type Method } from '../../../src/kubelet/methods.js'
import { must } from '../host/process.js'
import {
  type ContainerConfigSchema,
  type ContainerStatus,
  type Image,
  ImageService,
  type PodSandbox,
  type PodSandboxConfigSchema,
  PodSandboxState,
  type PodSandboxStatusResponse,
  RuntimeService,
  type VersionResponse,
} from './generated/api_pb.js'

export const CRI_SOCKET = '/run/containerd/containerd.sock'

/** As kubelet has it: runtimeRequestTimeout. It gives RunPodSandbox twice as long. */
const TIMEOUT_MS = 120_000

export type PodConfig = MessageInitShape<typeof PodSandboxConfigSchema>
export type ContainerConfig = MessageInitShape<typeof ContainerConfigSchema>

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface Cri {
  version(): Promise<VersionResponse>
  /** Conditions of the node by their type. Undefined when a condition holds; else the message that kubelet shows. */
  status(): Promise<Readonly<Record<string, string | undefined>>>
  /** What the runtime tells of itself, as JSON by topic. */
  info(): Promise<Readonly<Record<string, string>>>
  /** Returns the ID of the sandbox, which is the container ID of its CNI calls. */
  runPodSandbox(config: PodConfig): Promise<string>
  stopPodSandbox(podSandboxId: string): Promise<void>
  removePodSandbox(podSandboxId: string): Promise<void>
  podSandboxStatus(podSandboxId: string): Promise<PodSandboxStatusResponse>
  /** Those that are ready or not, of one state with `state`. */
  listPodSandbox(state?: PodSandboxState): Promise<PodSandbox[]>
  createContainer(podSandboxId: string, config: ContainerConfig, sandboxConfig: PodConfig): Promise<string>
  startContainer(containerId: string): Promise<void>
  stopContainer(containerId: string, timeoutS?: number): Promise<void>
  removeContainer(containerId: string): Promise<void>
  containerStatus(containerId: string): Promise<ContainerStatus>
  execSync(containerId: string, ...cmd: string[]): Promise<Ran>
  /** Undefined when the runtime has no such image. */
  imageStatus(image: string): Promise<Image | undefined>
  listImages(): Promise<Image[]>
  close(): void
}

const present = <T>(value: T | undefined): T => {
  if (value === undefined) {
    throw new Error('the runtime left a message out')
  }
  return value
}

/** A client of the runtime at a socket. Every call throws the error of grpc-js, whose `details` is the runtime's sentence. */
export function criAt(socketPath = CRI_SOCKET): Cri {
  // A runtime that is starting is asked again at once; by itself grpc-js waits longer each time.
  const client = clientAt(socketPath, {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 200,
  })
  const call = <In extends DescMessage, Out extends DescMessage>(
    method: Method<In, Out>,
    request: MessageInitShape<In>,
    timeoutMs = TIMEOUT_MS,
  ): Promise<MessageShape<Out>> => ask(client, method, create(method.input, request), timeoutMs)
  const runtime = RuntimeService.method
  const images = ImageService.method
  return {
    version: () => call(runtime.version, {}),
    async status() {
      const { status } = await call(runtime.status, {})
      return Object.fromEntries(
        present(status).conditions.map((one) => [one.type, one.status ? undefined : `${one.reason}: ${one.message}`]),
      )
    },
    info: async () => (await call(runtime.status, { verbose: true })).info,
    runPodSandbox: async (config) => (await call(runtime.runPodSandbox, { config }, 2 * TIMEOUT_MS)).podSandboxId,
    async stopPodSandbox(podSandboxId) {
      await call(runtime.stopPodSandbox, { podSandboxId })
    },
    async removePodSandbox(podSandboxId) {
      await call(runtime.removePodSandbox, { podSandboxId })
    },
    podSandboxStatus: (podSandboxId) => call(runtime.podSandboxStatus, { podSandboxId, verbose: true }),
    listPodSandbox: async (state) =>
      (await call(runtime.listPodSandbox, state === undefined ? {} : { filter: { state: { state } } })).items,
    createContainer: async (podSandboxId, config, sandboxConfig) =>
      (await call(runtime.createContainer, { podSandboxId, config, sandboxConfig })).containerId,
    async startContainer(containerId) {
      await call(runtime.startContainer, { containerId })
    },
    async stopContainer(containerId, timeoutS = 0) {
      await call(runtime.stopContainer, { containerId, timeout: BigInt(timeoutS) })
    },
    async removeContainer(containerId) {
      await call(runtime.removeContainer, { containerId })
    },
    containerStatus: async (containerId) => present((await call(runtime.containerStatus, { containerId })).status),
    async execSync(containerId, ...cmd) {
      const { exitCode, stdout, stderr } = await call(runtime.execSync, { containerId, cmd, timeout: 60n })
      return { exitCode, stdout: Buffer.from(stdout).toString(), stderr: Buffer.from(stderr).toString() }
    },
    imageStatus: async (image) => (await call(images.imageStatus, { image: { image } })).image,
    listImages: async () => (await call(images.listImages, {})).images,
    close: () => client.close(),
  }
}

/** The process of a sandbox's own container. */
export async function sandboxPid(cri: Cri, podSandboxId: string): Promise<number> {
  const { info } = await cri.podSandboxStatus(podSandboxId)
  return (JSON.parse(info.info ?? '{}') as { pid: number }).pid
}

/** What a command says in the network namespace of a pod. */
export const inSandbox = async (cri: Cri, podSandboxId: string, ...command: string[]): Promise<string> =>
  must('nsenter', `--net=/proc/${await sandboxPid(cri, podSandboxId)}/ns/net`, ...command)

export const isReady = async (cri: Cri, podSandboxId: string): Promise<boolean> =>
  (await cri.podSandboxStatus(podSandboxId)).status?.state === PodSandboxState.SANDBOX_READY

/** Ends a pod as kubelet does, which stops it more often than once. */
export async function removePod(cri: Cri, podSandboxId: string): Promise<void> {
  await cri.stopPodSandbox(podSandboxId)
  await cri.removePodSandbox(podSandboxId)
}

/** Ends every pod that the runtime knows. */
export async function removePods(cri: Cri): Promise<void> {
  for (const { id } of await cri.listPodSandbox()) {
    await removePod(cri, id)
  }
}
