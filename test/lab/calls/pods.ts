import { existsSync, readdirSync } from 'node:fs'
import { ip, must, type Output, run } from '../host/process.js'

/** A network namespace that stands for a pod, and the container ID that it goes by. */
export interface Pod {
  /** As ip(8) calls it. */
  readonly name: string
  readonly containerId: string
  readonly netns: string
}

const PREFIX = 'pod-'
const FOLDER = '/run/netns'

let made = 0

export async function newPod(): Promise<Pod> {
  made += 1
  const name = `${PREFIX}${process.pid}-${made}`
  await ip(`netns add ${name}`)
  await ip(`-n ${name} link set lo up`)
  return { name, containerId: `c-${name}`, netns: `${FOLDER}/${name}` }
}

export const removePod = async ({ name, netns }: Pod): Promise<void> => {
  if (existsSync(netns)) {
    await ip(`netns del ${name}`)
  }
}

/** Removes the pods of all tests so far. */
export async function removePods(): Promise<void> {
  for (const name of existsSync(FOLDER) ? readdirSync(FOLDER) : []) {
    if (name.startsWith(PREFIX)) {
      await ip(`netns del ${name}`)
    }
  }
}

/** Runs a command in a pod; it must succeed. */
export const inPod = ({ name }: Pod, ...command: string[]): Promise<string> =>
  must('ip', 'netns', 'exec', name, ...command)

/** Whether an address answers a pod within two seconds. */
export async function canPing({ name }: Pod, address: string): Promise<boolean> {
  const family = address.includes(':') ? '-6' : '-4'
  const { exitCode }: Output = await run('ip', [
    ...['netns', 'exec', name, 'ping', family, '-c', '1', '-W', '2', address],
  ])
  return exitCode === 0
}
