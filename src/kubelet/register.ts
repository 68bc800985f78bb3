/** Tells kubelet of a resource, where its plugin watcher does not find it. */
import { create } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { API_VERSION, OPTIONS } from './endpoint.js'
import { RegisterRequestSchema, Registration } from './generated/deviceplugin_pb.js'
import { ask, clientAt } from './methods.js'

const TIMEOUT_MS = 5_000

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === status.UNAVAILABLE

/**
 * Registers the resource that listens at `endpoint`, the name of a socket beside kubelet's. Kubelet dials it within 10 s.
 * `absent`: no kubelet listens.
 * @throws Error of grpc-js: kubelet does not answer in time, or it refuses
 */
export async function register(
  kubeletSocket: string,
  resource: string,
  endpoint: string,
): Promise<'registered' | 'absent'> {
  const client = clientAt(kubeletSocket)
  try {
    const request = create(RegisterRequestSchema, {
      version: API_VERSION,
      endpoint,
      resourceName: resource,
      options: OPTIONS,
    })
    await ask(client, Registration.method.register, request, TIMEOUT_MS)
    return 'registered'
  } catch (error) {
    if (isAbsent(error)) {
      return 'absent'
    }
    throw error
  } finally {
    client.close()
  }
}
