import { expect } from 'vitest'
import { type Output, type Running, type StartOptions, start } from '../host/process.js'
import type { Vf } from '../host/virtual-functions.js'
import type { Pod } from './pods.js'

export const BIN_DIR = '/opt/cni/bin'
export const PLUGIN = `${BIN_DIR}/sriov`

export type Verb = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION'
export type Conf = Readonly<Record<string, unknown>>

export interface CallOptions extends StartOptions {
  readonly ifName?: string
  /** On top of the environment of CNI; an empty text unsets. */
  readonly env?: Readonly<Record<string, string>>
  readonly plugin?: string
}

export interface CniError {
  readonly code: number
  readonly msg: string
  readonly details?: string
}

export interface CniResult {
  readonly cniVersion: string
  readonly interfaces: readonly Readonly<Record<string, unknown>>[]
  readonly ips?: readonly Readonly<Record<string, unknown>>[]
  readonly routes?: readonly Readonly<Record<string, unknown>>[]
}

export const DEFAULT_IFNAME = 'net1'

export const netConf = ({ pci }: Vf, more: Conf = {}): Conf => ({
  cniVersion: '1.0.0',
  name: 'lab',
  type: 'sriov',
  deviceID: pci,
  ...more,
})

/** IPAM by host-local out of one IPv4 network. */
export const hostLocal = (subnet = '10.9.0.0/24'): Conf => ({ ipam: { type: 'host-local', subnet } })

/** The environment a runtime would give; nothing else. */
export function cniEnvironment(verb: Verb, pod: Pod, { ifName = DEFAULT_IFNAME, env = {} }: CallOptions = {}) {
  const full: Record<string, string> = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: pod.containerId,
    CNI_NETNS: pod.netns,
    CNI_IFNAME: ifName,
    CNI_PATH: BIN_DIR,
    ...env,
  }
  return Object.fromEntries(Object.entries(full).filter(([, value]) => value !== ''))
}

const textOf = (conf: Conf | string): string => (typeof conf === 'string' ? conf : JSON.stringify(conf))

/** Starts a call and does not wait. */
export const startCall = (verb: Verb, pod: Pod, conf: Conf | string, options: CallOptions = {}): Running =>
  start(options.plugin ?? PLUGIN, [], {
    env: cniEnvironment(verb, pod, options),
    stdin: textOf(conf),
    cwd: options.cwd ?? '/',
  })

/** Calls the plugin and checks what holds for every answer: exit status 0 or 1, at most one JSON document. */
export async function call(verb: Verb, pod: Pod, conf: Conf | string, options?: CallOptions): Promise<Output> {
  const output = await startCall(verb, pod, conf, options).done
  const shown = `${verb}: exit status ${output.exitCode}\nstdout: ${output.stdout}\nstderr: ${output.stderr}`
  expect([0, 1], shown).toContain(output.exitCode)
  if (output.exitCode === 1 || verb === 'ADD') {
    expect(() => JSON.parse(output.stdout), shown).not.toThrow()
  } else if (verb !== 'VERSION') {
    expect(output.stdout, shown).toBe('')
  }
  return output
}

async function succeed(verb: Verb, pod: Pod, conf: Conf | string, options?: CallOptions): Promise<Output> {
  const output = await call(verb, pod, conf, options)
  expect(output.exitCode, `${verb} failed: ${output.stdout}${output.stderr}`).toBe(0)
  return output
}

/** A call that must fail; returns the error document. */
export async function failing(verb: Verb, pod: Pod, conf: Conf | string, options?: CallOptions): Promise<CniError> {
  const output = await call(verb, pod, conf, options)
  expect(output.exitCode, `${verb} was to fail but printed ${output.stdout}`).toBe(1)
  const document = JSON.parse(output.stdout) as CniError
  expect(document).toMatchObject({ code: expect.any(Number), msg: expect.stringMatching(/./) })
  return document
}

export const add = async (pod: Pod, conf: Conf | string, options?: CallOptions): Promise<CniResult> =>
  JSON.parse((await succeed('ADD', pod, conf, options)).stdout) as CniResult

export const del = async (pod: Pod, conf: Conf | string, options?: CallOptions): Promise<void> => {
  await succeed('DEL', pod, conf, options)
}

export const check = async (pod: Pod, conf: Conf | string, options?: CallOptions): Promise<void> => {
  await succeed('CHECK', pod, conf, options)
}
