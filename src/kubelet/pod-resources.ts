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

/** A PCI device that kubelet has given to a container. */
export interface GivenDevice {
  readonly address: PciAddress
  readonly resource: string
  readonly namespace: string
  readonly pod: string
  readonly container: string
}

/** @throws Error when kubelet does not answer */
export async function givenDevices(socketPath: string, timeoutMs: number): Promise<readonly GivenDevice[]> {
  const client = clientAt(socketPath)
  try {
    const request = create(ListPodResourcesRequestSchema)
    const { podResources } = await ask(client, PodResourcesLister.method.list, request, timeoutMs)
    return podResources.flatMap(({ namespace, name: pod, containers }) =>
      containers.flatMap(({ name: container, devices }) =>
        devices.flatMap(({ resourceName: resource, deviceIds }) =>
          deviceIds.flatMap((id) => {
            const address = parsePciAddress(id)
            return address === undefined ? [] : [{ address, resource, namespace, pod, container }]
          }),
        ),
      ),
    )
  } finally {
    client.close()
  }
}

/** The pods that have PCI devices, by address. @throws Error when kubelet does not answer */
export const podsOfDevices = async (socketPath: string, timeoutMs: number): Promise<ReadonlyMap<PciAddress, PodName>> =>
  new Map(
    (await givenDevices(socketPath, timeoutMs)).map(({ address, namespace, pod }) => [
      address,
      { namespace, name: pod },
    ]),
  )
