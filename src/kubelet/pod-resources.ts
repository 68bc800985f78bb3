/** Asks kubelet which pod has which device (its pod-resources API). */
import { create } from '@bufbuild/protobuf'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import { ListPodResourcesRequestSchema, PodResourcesLister } from './generated/podresources_pb.js'
import { ask, clientAt } from './methods.js'

/** A pod as kubelet names it. */
export interface PodName {
  readonly namespace: string
  readonly name: string
}

/** The pods that have PCI devices, by address. @throws Error when kubelet does not answer */
export async function podsOfDevices(socketPath: string, timeoutMs: number): Promise<ReadonlyMap<PciAddress, PodName>> {
  const client = clientAt(socketPath)
  try {
    const request = create(ListPodResourcesRequestSchema)
    const { podResources } = await ask(client, PodResourcesLister.method.list, request, timeoutMs)
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
