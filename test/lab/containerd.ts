import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { Conf } from './plugin.js'
import { must, type Running, run, shell, start, until } from './process.js'

const ROOTFS = '/run/ctr-rootfs'
const CONF_DIR = '/etc/cni/net.d'

/** A containerd with one CNI network. */
export interface Containerd {
  /** `ctr run -d --cni`, without --rm: nobody will call DEL. */
  runDetached(name: string): Promise<void>
  /** Kills the container's process and waits for its end. */
  kill(name: string): Promise<void>
  /** Forgets the container. */
  remove(name: string): Promise<void>
  stop(): Promise<void>
}

/** Starts containerd with a network of one plugin. */
export async function startContainerd({ cniVersion, name, ...plugin }: Conf): Promise<Containerd> {
  mkdirSync(CONF_DIR, { recursive: true })
  writeFileSync(`${CONF_DIR}/10-lab.conflist`, JSON.stringify({ cniVersion, name, plugins: [plugin] }))
  await shell(`mkdir -p ${ROOTFS}/{bin,proc,sys,dev,etc,tmp,run}; cp /bin/busybox ${ROOTFS}/bin/
    ln -sf busybox ${ROOTFS}/bin/sh; ln -sf busybox ${ROOTFS}/bin/sleep`)
  const daemon: Running = start('containerd', ['--log-level', 'warn'])
  await until('containerd answers', async () => (await run('ctr', ['version'])).exitCode === 0, 60_000)
  const hasTask = async (state: string) => (await must('ctr', 'task', 'ls')).includes(state)
  return {
    async runDetached(container) {
      await must('ctr', 'run', '-d', '--cni', '--rootfs', ROOTFS, container, '/bin/sleep', '600')
      await until('the task runs', () => hasTask('RUNNING'))
    },
    async kill(container) {
      await must('ctr', 'task', 'kill', '-s', 'KILL', container)
      await until('the task has stopped', () => hasTask('STOPPED'))
    },
    async remove(container) {
      await must('ctr', 'task', 'delete', container)
      await must('ctr', 'container', 'delete', container)
    },
    async stop() {
      process.kill(daemon.pid, 'SIGTERM')
      await daemon.done
      rmSync(CONF_DIR, { recursive: true, force: true })
    },
  }
}
