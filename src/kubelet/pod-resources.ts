/** Asks kubelet which pod has which device (its pod-resources API). A bundle of its own: gRPC takes long to load. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Client, credentials } from '@grpc/grpc-js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import {
  ListPodResourcesRequestSchema,
  type ListPodResourcesResponse,
  ListPodResourcesResponseSchema,
} from './generated/podresources_pb.js'

/** A pod as kubelet names it. */
export interface PodName {
  readonly namespace: string
  readonly name: string
}

const LIST = '/v1.PodResourcesLister/List'

const list = (client: Client, timeoutMs: number): Promise<ListPodResourcesResponse> =>
  new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      LIST,
      () => Buffer.from(toBinary(ListPodResourcesRequestSchema, create(ListPodResourcesRequestSchema))),
      (bytes: Buffer) => fromBinary(ListPodResourcesResponseSchema, bytes),
      {},
      { deadline: Date.now() + timeoutMs },
      (error, answer) => (answer ? resolve(answer) : reject(error ?? new Error('kubelet gave no answer'))),
    )
  })

/** The pods that have PCI devices, by address. @throws Error when kubelet does not answer */
export async function podsOfDevices(socketPath: string, timeoutMs: number): Promise<ReadonlyMap<PciAddress, PodName>> {
  const client = new Client(`unix://${socketPath}`, credentials.createInsecure())
  try {
    const { podResources } = await list(client, timeoutMs)
    return new Map(
      podResources.flatMap(({ namespace, name, containers }) =>
        containers
          .flatMap(({ devices }) => devices.flatMap(({ deviceIds }) => deviceIds))
          .flatMap((id) => {
            const address = parsePciAddress(id)
            return address === undefined ? [] : [[address, { namespace, name }] as const]
          }),
      ),
    )
  } finally {
    client.close()
  }
}
