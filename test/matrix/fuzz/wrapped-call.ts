import type { Environment } from '../../../src/cni/args.js'
import { dispatch } from '../../../src/cni/dispatch.js'
import { handlers } from '../../../src/commands/handlers.js'
import type { Host, RouteSocket } from '../../../src/host/ports.js'
import type { Answer } from '../../fakes/call.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { requireWellFormed } from './well-formed.js'

export const MAX_FAKE_MS = 300_000
const MAX_REAL_MS = 5_000

/** A node never has so many answers to give in one call: whoever asks for more asks for ever. */
const MAX_RECEIVES = 20_000

/**
 * One call as a process would get it, on these ports of a world.
 * @throws Error when it takes too long, leaves something open, or answers with anything but what the contract allows
 */
export async function callOn(world: FakeWorld, environment: Environment, stdin: string, host: Host): Promise<Answer> {
  const answer = { stdout: '', stderr: '' }
  const streams = {
    readStdin: () => stdin,
    writeStdout: (text: string) => {
      answer.stdout += text
    },
    writeStderr: (text: string) => {
      answer.stderr += text
    },
  }
  const startMs = world.clock.nowMs()
  const realStart = performance.now()
  const exitCode = await dispatch(environment, streams, handlers({ openFiles: () => host.files, hostOf: () => host }))
  const fakeMs = world.clock.nowMs() - startMs
  const realMs = performance.now() - realStart
  world.log.length = 0
  requireWellFormed({ exitCode, stdout: answer.stdout })
  if (fakeMs > MAX_FAKE_MS || realMs > MAX_REAL_MS) {
    throw new Error(`the call took ${fakeMs} ms of the fake clock and ${realMs} ms of the real one`)
  }
  if (world.openDescriptors !== 0 || world.locks.size !== 0) {
    throw new Error(`the call left ${world.openDescriptors} descriptors and ${world.locks.size} locks`)
  }
  return { exitCode, ...answer }
}

/** Ports whose route sockets hand every datagram they receive to `change` first; it may throw, too. */
export function wrapReceive(host: Host, change: (datagram: Buffer, number: number) => Buffer): Host {
  let number = 0
  const wrapSocket = (socket: RouteSocket): RouteSocket => ({
    ...socket,
    async receive(timeoutMs) {
      const datagram = await socket.receive(timeoutMs)
      if (number > MAX_RECEIVES) {
        throw new Error('an endless conversation')
      }
      number += 1
      return change(datagram, number - 1)
    },
  })
  const { kernel } = host
  return {
    ...host,
    kernel: { ...kernel, openRouteSocket: (netns) => wrapSocket(kernel.openRouteSocket(netns)) },
  }
}
