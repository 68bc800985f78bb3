import { mkdtempSync, rmSync } from 'node:fs'
import { create } from '@bufbuild/protobuf'
import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  ListPodSandboxResponseSchema,
  PodSandboxState,
  RuntimeService,
} from '../../../src/kubelet/generated/criruntime_pb.js'
import { methodDefinition } from '../../../src/kubelet/methods.js'
import { liveSandboxes } from '../../../src/kubelet/sandboxes.js'

const { listPodSandbox } = RuntimeService.method

let folder = ''
let server: Server

const listen = (hasPods: boolean) =>
  new Promise<string>((resolve, reject) => {
    if (hasPods) {
      const items = [
        { id: 'alive', state: PodSandboxState.SANDBOX_READY },
        { id: 'dead', state: PodSandboxState.SANDBOX_NOTREADY },
      ]
      const answer = (_call: unknown, done: (error: null, message: object) => void) =>
        done(null, create(ListPodSandboxResponseSchema, { items }))
      server.addService(
        { ListPodSandbox: methodDefinition(listPodSandbox) },
        { ListPodSandbox: answer as UntypedHandleCall },
      )
    }
    const socket = `${folder}/containerd.sock`
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(socket),
    )
  })

beforeEach(() => {
  folder = mkdtempSync('/tmp/runtime-')
  server = new Server()
})

afterEach(() => {
  server.forceShutdown()
  rmSync(folder, { recursive: true })
})

describe('the sandboxes of a container runtime', () => {
  test('are those that are ready', async () => {
    expect([...(await liveSandboxes(await listen(true), 5_000))]).toEqual(['alive'])
  })

  test('are those of a runtime that speaks the version before only', async () => {
    const handler = (_call: unknown, done: (error: null, message: object) => void) =>
      done(null, create(ListPodSandboxResponseSchema, { items: [{ id: 'old', state: PodSandboxState.SANDBOX_READY }] }))
    const definition = { ...methodDefinition(listPodSandbox), path: '/runtime.v1alpha2.RuntimeService/ListPodSandbox' }
    server.addService({ ListPodSandbox: definition }, { ListPodSandbox: handler as UntypedHandleCall })
    expect([...(await liveSandboxes(await listen(false), 5_000))]).toEqual(['old'])
  })

  test('are none where it serves no pods', async () => {
    expect([...(await liveSandboxes(await listen(false), 5_000))]).toEqual([])
  })

  test('are an error where nobody listens', async () => {
    await expect(liveSandboxes(`${folder}/nobody.sock`, 500)).rejects.toThrow()
  })

  test('are asked for as CRI says', () => {
    expect(methodDefinition(listPodSandbox).path).toBe('/runtime.v1.RuntimeService/ListPodSandbox')
  })
})
