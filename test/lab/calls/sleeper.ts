import { readlinkSync, writeFileSync } from 'node:fs'
import { type Running, start, until } from '../host/process.js'
import type { Pod } from './pods.js'

/** A process in a pod's namespace, which stands for the pod's own. */
export interface Sleeper {
  readonly pid: number
  /** How ctr(8) names the namespace: `/proc/<pid>/ns/net`. */
  readonly netns: string
  kill(): Promise<void>
}

const inodeOf = (pid: number | 'self'): string => readlinkSync(`/proc/${pid}/ns/net`)

async function sleeperOf(running: Running): Promise<Sleeper> {
  // ip(8) enters the namespace and becomes the command.
  await until('the sleeper is in its namespace', async () => inodeOf(running.pid) !== inodeOf('self'))
  return {
    pid: running.pid,
    netns: `/proc/${running.pid}/ns/net`,
    async kill() {
      running.killGroup()
      await running.done
    },
  }
}

export const startSleeper = ({ name }: Pod): Promise<Sleeper> =>
  sleeperOf(start('ip', ['netns', 'exec', name, 'sleep', '600']))

const MAX_ATTEMPTS = 5

/** The same, under the process ID of one that is gone; undefined when something else has that by now. */
export async function startSleeperAs(pid: number, pod: Pod): Promise<Sleeper | undefined> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1))
    const sleeper = await startSleeper(pod)
    if (sleeper.pid === pid) {
      return sleeper
    }
    await sleeper.kill()
  }
  return undefined
}
