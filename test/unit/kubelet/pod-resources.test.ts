import { mkdtempSync, rmSync } from 'node:fs'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ListPodResourcesRequestSchema,
  ListPodResourcesResponseSchema,
} from '../../../src/kubelet/generated/podresources_pb.js'
import { podsOfDevices } from '../../../src/kubelet/pod-resources.js'

const folder = mkdtempSync('/tmp/kubelet-')
const socket = `${folder}/kubelet.sock`
const server = new Server()

const device = (...deviceIds: string[]) => ({ resourceName: 'example.com/vfs', deviceIds })
const PODS = [
  { namespace: 'shop', name: 'cart-0', containers: [{ name: 'a', devices: [device('0000:01:10.0', '0000:01:10.2')] }] },
  {
    namespace: 'lab',
    name: 'dpdk-1',
    containers: [{ name: 'b' }, { name: 'c', devices: [device('0000:01:10.4', 'gpu-7')] }],
  },
]

beforeAll(async () => {
  const service = {
    List: {
      path: '/v1.PodResourcesLister/List',
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => fromBinary(ListPodResourcesRequestSchema, bytes),
      responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  }
  const answer = toBinary(
    ListPodResourcesResponseSchema,
    create(ListPodResourcesResponseSchema, { podResources: PODS }),
  )
  const List = (_call: unknown, done: (error: null, bytes: Uint8Array) => void) => done(null, answer)
  server.addService(service, { List } as unknown as UntypedServiceImplementation)
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    )
  })
})

afterAll(() => {
  server.forceShutdown()
  rmSync(folder, { recursive: true })
})

describe('kubelet’s pod resources', () => {
  test('are the pods by the PCI addresses of their devices; other devices are left out', async () => {
    expect([...(await podsOfDevices(socket, 5_000))]).toEqual([
      ['0000:01:10.0', { namespace: 'shop', name: 'cart-0' }],
      ['0000:01:10.2', { namespace: 'shop', name: 'cart-0' }],
      ['0000:01:10.4', { namespace: 'lab', name: 'dpdk-1' }],
    ])
  })

  test('nobody answers: an error within the time', async () => {
    await expect(podsOfDevices(`${folder}/nobody.sock`, 300)).rejects.toThrow(/UNAVAILABLE|DEADLINE/)
  })
})
