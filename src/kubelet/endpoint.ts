/** Serves one resource to kubelet at a unix socket: its device plugin API, and its plugin watcher's. */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf'
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js'
import {
  DevicePlugin,
  type Empty,
  type ListAndWatchResponse,
  ListAndWatchResponseSchema,
} from './generated/deviceplugin_pb.js'
import { Registration } from './generated/pluginregistration_pb.js'
import { type Method, methodDefinition } from './methods.js'
import type { Grant, Offer } from './offer.js'

/** The version of the device plugin API (pkg/apis/deviceplugin/v1beta1/constants.go). */
export const API_VERSION = 'v1beta1'

export const OPTIONS = { preStartRequired: false, getPreferredAllocationAvailable: true }

/** What an endpoint is told by kubelet. */
export interface EndpointEvents {
  /** kubelet listens to the list of devices: it knows the resource. */
  listening(): void
  /** Nobody listens any more. */
  deserted(): void
  /** Its plugin watcher does not take the resource. */
  refused(why: string): void
}

export interface Endpoint {
  /** Whether kubelet listens to the list of devices. */
  isListenedTo(): boolean
  /** Sends the list of devices to everybody who listens. */
  push(): void
  /** Ends all streams, closes the socket and removes its path, even when that leads to another socket by now. */
  close(): void
}

const listOf = (offer: Offer): ListAndWatchResponse =>
  create(ListAndWatchResponseSchema, {
    devices: offer.devices().map(({ id, isHealthy, numaNode }) => ({
      id,
      health: isHealthy ? 'Healthy' : 'Unhealthy',
      ...(numaNode !== undefined && { topology: { nodes: [{ id: BigInt(numaNode) }] } }),
    })),
  })

const responseOf = ({ environment, nodes, cdiDevices }: Grant) => ({
  envs: { ...environment },
  devices: nodes.map(({ path, permissions }) => ({ containerPath: path, hostPath: path, permissions })),
  cdiDevices: cdiDevices.map((name) => ({ name })),
})

/** Answers each request by `answer`. What it throws is told to the caller. */
function unary<In extends DescMessage, Out extends DescMessage>(
  { output }: Method<In, Out>,
  answer: (request: MessageShape<In>) => MessageInitShape<Out> | Promise<MessageInitShape<Out>>,
): handleUnaryCall<MessageShape<In>, MessageShape<Out>> {
  return (call, callback) => {
    const reply = async () => create(output, await answer(call.request))
    reply().then(
      (message) => callback(null, message),
      (error: unknown) =>
        callback({
          code: status.FAILED_PRECONDITION,
          details: error instanceof Error ? error.message : String(error),
        }),
    )
  }
}

function add<In extends DescMessage, Out extends DescMessage>(
  server: Server,
  method: Method<In, Out>,
  handler:
    | handleUnaryCall<MessageShape<In>, MessageShape<Out>>
    | handleServerStreamingCall<MessageShape<In>, MessageShape<Out>>,
): void {
  server.addService({ [method.name]: methodDefinition(method) }, { [method.name]: handler as UntypedHandleCall })
}

type Streams = Set<ServerWritableStream<Empty, ListAndWatchResponse>>

function addDevicePlugin(server: Server, offer: Offer, streams: Streams, events: EndpointEvents): void {
  const { getDevicePluginOptions, listAndWatch, getPreferredAllocation, allocate, preStartContainer } =
    DevicePlugin.method
  add(
    server,
    getDevicePluginOptions,
    unary(getDevicePluginOptions, () => OPTIONS),
  )
  add(server, listAndWatch, (stream: ServerWritableStream<Empty, ListAndWatchResponse>) => {
    streams.add(stream)
    for (const end of ['cancelled', 'close', 'error']) {
      stream.on(end, () => {
        if (streams.delete(stream) && streams.size === 0) {
          events.deserted()
        }
      })
    }
    stream.write(listOf(offer))
    events.listening()
  })
  add(
    server,
    getPreferredAllocation,
    unary(getPreferredAllocation, ({ containerRequests }) => ({
      containerResponses: containerRequests.map((request) => ({
        deviceIds: [
          ...offer.prefer({
            available: request.availableDeviceIds,
            mandatory: request.mustIncludeDeviceIds,
            size: request.allocationSize,
          }),
        ],
      })),
    })),
  )
  add(
    server,
    allocate,
    unary(allocate, async ({ containerRequests }) => {
      const grants: Grant[] = []
      for (const { devicesIds } of containerRequests) {
        grants.push(await offer.allocate(devicesIds))
      }
      return { containerResponses: grants.map(responseOf) }
    }),
  )
  add(
    server,
    preStartContainer,
    unary(preStartContainer, () => ({})),
  )
}

function addWatcher(server: Server, { resource }: Offer, events: EndpointEvents) {
  const { getInfo, notifyRegistrationStatus } = Registration.method
  add(
    server,
    getInfo,
    // Without an endpoint kubelet takes the socket at which it asks.
    unary(getInfo, () => ({
      type: 'DevicePlugin',
      name: resource,
      endpoint: '',
      supportedVersions: [API_VERSION],
    })),
  )
  add(
    server,
    notifyRegistrationStatus,
    unary(notifyRegistrationStatus, ({ pluginRegistered, error }) => {
      if (!pluginRegistered) {
        events.refused(error)
      }
      return {}
    }),
  )
}

/** Listens at `path`, where nothing may be. @throws Error when the socket cannot be made */
export async function openEndpoint(offer: Offer, path: string, events: EndpointEvents): Promise<Endpoint> {
  const server = new Server()
  const streams: Streams = new Set()
  addDevicePlugin(server, offer, streams, events)
  addWatcher(server, offer, events)
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${path}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    )
  })
  return {
    isListenedTo: () => streams.size > 0,
    push() {
      const list = listOf(offer)
      for (const stream of streams) {
        stream.write(list)
      }
    },
    close() {
      const open = [...streams]
      // Whoever closes it knows.
      streams.clear()
      for (const stream of open) {
        stream.end()
      }
      server.forceShutdown()
    },
  }
}
