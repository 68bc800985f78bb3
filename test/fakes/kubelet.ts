/**
 * A kubelet that does with device plugins what pkg/kubelet/cm/devicemanager and pkg/kubelet/pluginmanager of Kubernetes 1.36 do,
 * in a folder of its own and with shorter waits.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { create, type MessageShape } from '@bufbuild/protobuf'
import { type Client, type ClientReadableStream, type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js'
import {
  AllocateRequestSchema,
  type AllocateResponse,
  type ContainerAllocateResponse,
  DevicePlugin,
  type EmptySchema as EmptyDesc,
  EmptySchema,
  type ListAndWatchResponse,
  PreferredAllocationRequestSchema,
  type RegisterRequest,
  Registration,
} from '../../src/kubelet/generated/deviceplugin_pb.js'
import {
  InfoRequestSchema,
  RegistrationStatusSchema,
  Registration as Watcher,
} from '../../src/kubelet/generated/pluginregistration_pb.js'
import { ask, clientAt, methodDefinition } from '../../src/kubelet/methods.js'

/** Longer than kubelet's own ten seconds: the tests run on busy machines. */
const TIMEOUT_MS = 60_000
/** Every second in kubelet. */
const WATCH_MS = 30

export interface SeenDevice {
  readonly id: string
  readonly isHealthy: boolean
  readonly numaNode?: number
}

interface Plugin {
  readonly client: Client
  readonly stream: ClientReadableStream<ListAndWatchResponse>
  devices: readonly SeenDevice[]
}

/** How the plugin watcher behaves. `old`: it sends an :authority that Node.js takes for a mistake. */
export type WatcherKind = 'works' | 'absent' | 'old' | 'refuses'

export interface KubeletOptions {
  readonly watcher?: WatcherKind
  /** Why it refuses each Register. */
  readonly refusal?: string
}

export interface Admitted {
  readonly devices: readonly string[]
  readonly response: ContainerAllocateResponse
}

export class FakeKubelet {
  readonly folder: string
  readonly registered: string[] = []
  /** What happened, in order. */
  readonly events: string[] = []
  #options: KubeletOptions
  #server: Server | undefined
  #timer: NodeJS.Timeout | undefined
  #plugins = new Map<string, Plugin>()
  /** Sockets that the watcher has seen: path and the time of the socket. */
  #seen = new Map<string, string>()
  #given = new Map<string, Map<string, string[]>>()

  constructor(folder: string, options: KubeletOptions = {}) {
    this.folder = folder
    this.#options = options
  }

  get #registry(): string {
    return join(this.folder, 'plugins_registry')
  }

  get #sockets(): string {
    return join(this.folder, 'device-plugins')
  }

  async start(options: KubeletOptions = this.#options): Promise<void> {
    this.#options = options
    const { watcher = 'works' } = options
    mkdirSync(this.#sockets, { recursive: true })
    if (watcher !== 'absent') {
      mkdirSync(this.#registry, { recursive: true })
    }
    for (const name of readdirSync(this.#sockets)) {
      if (statSync(join(this.#sockets, name)).isSocket()) {
        rmSync(join(this.#sockets, name))
      }
    }
    const server = new Server()
    const register: handleUnaryCall<RegisterRequest, MessageShape<typeof EmptyDesc>> = (call, callback) => {
      const { resourceName, endpoint, version } = call.request
      this.events.push(`Register ${resourceName}`)
      if (this.#options.refusal !== undefined || version !== 'v1beta1') {
        callback({ code: 2, details: this.#options.refusal ?? `version ${version}` })
        return
      }
      callback(null, create(EmptySchema))
      this.#dial(resourceName, join(this.#sockets, endpoint))
    }
    server.addService({ Register: methodDefinition(Registration.method.register) }, { Register: register as never })
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix://${join(this.#sockets, 'kubelet.sock')}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      )
    })
    this.#server = server
    if (watcher !== 'absent') {
      this.#timer = setInterval(() => this.#watch(), WATCH_MS)
    }
  }

  /** As kubelet ends: its socket stays behind. */
  stop(): void {
    clearInterval(this.#timer)
    for (const { stream, client } of this.#plugins.values()) {
      stream.cancel()
      client.close()
    }
    this.#plugins.clear()
    this.#seen.clear()
    const socket = join(this.#sockets, 'kubelet.sock')
    this.#server?.forceShutdown()
    this.#server = undefined
    // libuv has removed it; kubelet's stays.
    if (!existsSync(socket)) {
      writeFileSync(socket, '')
    }
  }

  async restart(options: KubeletOptions = this.#options): Promise<void> {
    this.stop()
    rmSync(join(this.#sockets, 'kubelet.sock'), { force: true })
    await this.start(options)
  }

  #watch(): void {
    const present = new Set<string>()
    for (const name of readdirSync(this.#registry)) {
      const path = join(this.#registry, name)
      const facts = statSync(path, { throwIfNoEntry: false, bigint: true })
      if (facts?.isSocket()) {
        present.add(path)
        const identity = `${facts.ino}:${facts.ctimeNs}`
        if (this.#seen.get(path) !== identity) {
          this.#seen.set(path, identity)
          void this.#take(path)
        }
      }
    }
    for (const path of this.#seen.keys()) {
      if (!present.has(path)) {
        this.#seen.delete(path)
      }
    }
  }

  async #take(path: string): Promise<void> {
    const { watcher } = this.#options
    const client = clientAt(path, watcher === 'old' ? { 'grpc.default_authority': path } : {})
    try {
      const { name, type, endpoint } = await ask(client, Watcher.method.getInfo, create(InfoRequestSchema), TIMEOUT_MS)
      const isTaken = type === 'DevicePlugin' && watcher !== 'refuses'
      await ask(
        client,
        Watcher.method.notifyRegistrationStatus,
        create(RegistrationStatusSchema, {
          pluginRegistered: isTaken,
          ...(!isTaken && { error: 'the name of the resource is not valid' }),
        }),
        TIMEOUT_MS,
      )
      if (isTaken) {
        this.events.push(`watched ${name}`)
        this.#dial(name, endpoint === '' ? path : endpoint)
      }
    } catch (error) {
      this.events.push(`not watched: ${error instanceof Error ? error.message : error}`)
    } finally {
      client.close()
    }
  }

  #dial(resource: string, path: string): void {
    const client = clientAt(path)
    const definition = methodDefinition(DevicePlugin.method.listAndWatch)
    const stream = client.makeServerStreamRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      create(EmptySchema),
    )
    const plugin: Plugin = { client, stream, devices: [] }
    this.registered.push(resource)
    this.#plugins.get(resource)?.client.close()
    this.#plugins.set(resource, plugin)
    stream.on('data', ({ devices }: ListAndWatchResponse) => {
      plugin.devices = devices.map(({ id, health, topology }) => {
        const [node] = topology?.nodes ?? []
        return { id, isHealthy: health === 'Healthy', ...(node && { numaNode: Number(node.id) }) }
      })
      this.events.push(
        `${resource}: ${plugin.devices.filter(({ isHealthy }) => isHealthy).length} of ${devices.length}`,
      )
    })
    // In 1.36 the end of any stream disconnects whatever has the name.
    const gone = () => {
      const now = this.#plugins.get(resource)
      if (now) {
        now.devices = now.devices.map((device) => ({ ...device, isHealthy: false }))
        this.#plugins.delete(resource)
        this.events.push(`${resource} gone`)
      }
    }
    stream.on('end', gone)
    stream.on('error', gone)
  }

  /** Ends the stream of a resource, as after an error. */
  drop(resource: string): void {
    this.#plugins.get(resource)?.stream.cancel()
    this.#plugins.delete(resource)
  }

  /** The devices of a resource; undefined when nobody offers it. */
  devices(resource: string): readonly SeenDevice[] | undefined {
    return this.#plugins.get(resource)?.devices
  }

  healthy(resource: string): readonly string[] {
    return (this.devices(resource) ?? []).filter(({ isHealthy }) => isHealthy).map(({ id }) => id)
  }

  #isFree(resource: string, id: string): boolean {
    return ![...this.#given.values()].some((byResource) => byResource.get(resource)?.includes(id))
  }

  /** Which of the free devices the device plugin would rather have given. */
  async preferred(resource: string, count: number): Promise<readonly string[]> {
    const plugin = this.#plugins.get(resource)
    if (!plugin) {
      throw new Error(`cannot allocate unregistered device ${resource}`)
    }
    const available = this.healthy(resource).filter((id) => this.#isFree(resource, id))
    if (available.length < count) {
      throw new Error(`Insufficient ${resource}`)
    }
    const { containerResponses } = await ask(
      plugin.client,
      DevicePlugin.method.getPreferredAllocation,
      create(PreferredAllocationRequestSchema, {
        containerRequests: [{ availableDeviceIds: available, allocationSize: count }],
      }),
      TIMEOUT_MS,
    )
    return (containerResponses[0]?.deviceIds ?? []).slice(0, count)
  }

  /** Admits a pod that asks for devices. @throws Error with the sentence of its event */
  async admit(podUid: string, resource: string, count: number): Promise<Admitted> {
    const plugin = this.#plugins.get(resource)
    if (!plugin) {
      throw new Error(`cannot allocate unregistered device ${resource}`)
    }
    const devices = await this.preferred(resource, count)
    const answer: AllocateResponse = await ask(
      plugin.client,
      DevicePlugin.method.allocate,
      create(AllocateRequestSchema, { containerRequests: [{ devicesIds: [...devices] }] }),
      TIMEOUT_MS * 3,
    )
    const [response] = answer.containerResponses
    if (!response) {
      throw new Error('no response for the container')
    }
    const own = this.#given.get(podUid) ?? new Map<string, string[]>()
    own.set(resource, [...(own.get(resource) ?? []), ...devices])
    this.#given.set(podUid, own)
    this.#writeCheckpoint()
    return { devices, response }
  }

  /** The pod has ended: its devices are free. */
  end(podUid: string): void {
    this.#given.delete(podUid)
    this.#writeCheckpoint()
  }

  #writeCheckpoint(): void {
    const data = {
      PodDeviceEntries: [...this.#given].flatMap(([PodUID, byResource]) =>
        [...byResource].map(([ResourceName, ids]) => ({
          PodUID,
          ContainerName: 'c',
          ResourceName,
          DeviceIDs: { '-1': ids },
        })),
      ),
      RegisteredDevices: Object.fromEntries(
        [...this.#plugins].map(([name, { devices }]) => [name, devices.map(({ id }) => id)]),
      ),
    }
    writeFileSync(join(this.#sockets, 'kubelet_internal_checkpoint'), JSON.stringify({ Data: data, Checksum: 0 }))
  }
}
