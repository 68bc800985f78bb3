import type { Environment } from '../../src/cni/args.js'
import { dispatch } from '../../src/cni/dispatch.js'
import { NODE_FOLDER } from '../../src/cni/folders.js'
import { handlers } from '../../src/commands/handlers.js'
import type { Host, Log } from '../../src/host/ports.js'
import { loadPolicy } from '../../src/policy/load.js'
import { type CallHost, callHost } from '../../src/state/folder.js'
import { fakeKernel } from './kernel/kernel.js'
import { fakeFiles } from './machine/files.js'
import { type Interference, noInterference } from './machine/interference.js'
import { POD_A, VF_ADDRESS } from './machine/machine.js'
import { fakeProcesses } from './machine/processes.js'
import type { FakeWorld } from './machine/world.js'

/** The ports of one process on a fake world. */
export function hostOf(world: FakeWorld, interfere: Interference = noInterference): Host {
  const at =
    (level: string): Log['info'] =>
    (message, facts) => {
      world.log.push(`${level}: ${message} ${JSON.stringify(facts ?? {})}`)
    }
  return {
    kernel: fakeKernel(world, interfere),
    files: fakeFiles(world, interfere),
    processes: fakeProcesses(world, interfere),
    clock: world.clock,
    caller: { isGone: () => world.isCallerGone },
    log: { error: at('error'), warning: at('warning'), info: at('info'), debug: at('debug') },
  }
}

/** The same with what a call adds to them. */
export function callHostAs(world: FakeWorld, environment: Environment): CallHost {
  const host = hostOf(world)
  const args = { containerId: '', ifName: '', netnsPath: '', extra: {}, environment }
  return callHost(host, loadPolicy(host.files), args, NODE_FOLDER)
}

/** What a caller of the plugin sees. */
export interface Answer {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** One call as a process would get it: environment and stdin as they are. */
export async function callRaw(
  world: FakeWorld,
  environment: Environment,
  stdin: string,
  interfere?: Interference,
): Promise<Answer> {
  let stdout = ''
  let stderr = ''
  const streams = {
    readStdin: () => stdin,
    writeStdout: (text: string) => {
      stdout += text
    },
    writeStderr: (text: string) => {
      stderr += text
    },
  }
  const exitCode = await dispatch(
    environment,
    streams,
    handlers({
      openFiles: () => fakeFiles(world, interfere ?? noInterference),
      hostOf: () => hostOf(world, interfere),
    }),
  )
  return { exitCode, stdout, stderr }
}

export interface CallOptions {
  readonly containerId?: string
  readonly netns?: string
  readonly ifName?: string
  readonly environment?: Environment
  readonly interfere?: Interference
}

export const netConf = (keys: object = {}): object => ({
  cniVersion: '1.1.0',
  name: 'sriov-net',
  type: 'sriov',
  deviceID: VF_ADDRESS,
  ...keys,
})

/** One verb with a configuration; the rest as a runtime usually gives it. */
export function call(
  world: FakeWorld,
  verb: string,
  conf: object,
  { containerId = 'pod-a', netns = POD_A, ifName = 'net1', environment = {}, interfere }: CallOptions = {},
): Promise<Answer> {
  return callRaw(
    world,
    {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: ifName,
      CNI_PATH: '/opt/cni/bin',
      ...environment,
    },
    JSON.stringify(conf),
    interfere,
  )
}

/** The one document on stdout; undefined where there is none. */
export const documentOf = ({ stdout }: Answer): { readonly [key: string]: unknown } | undefined =>
  stdout === '' ? undefined : JSON.parse(stdout)

export const codeOf = (answer: Answer): unknown => documentOf(answer)?.code
export const messageOf = (answer: Answer): string => String(documentOf(answer)?.msg ?? '')
