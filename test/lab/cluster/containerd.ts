import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { ContainerAllocateResponse } from '../../../src/kubelet/generated/deviceplugin_pb.js'
import type { Conf } from '../calls/plugin.js'
import { must, type Running, run, shell, start, until } from '../host/process.js'

const ROOTFS = '/run/ctr-rootfs'
const CONF_DIR = '/etc/cni/net.d'

/** A containerd with one CNI network. */
export interface Containerd {
  /** `ctr run -d --cni`, without --rm: nobody will call DEL. */
  runDetached(name: string): Promise<void>
  /** `ctr run --cni --rm` with what Allocate gave; the caller waits for its end. DEL is called when the container ends. */
  runGranted(name: string, granted: ContainerAllocateResponse): Promise<Running>
  /** What a command says in a container. */
  exec(name: string, command: string): Promise<string>
  /** Kills the container's process and waits for its end. */
  kill(name: string): Promise<void>
  /** Forgets the container. */
  remove(name: string): Promise<void>
  stop(): Promise<void>
}

/** What containerd gives to containers that begin from now on: a network of one plugin. */
export function configureNetwork({ cniVersion, name, ...plugin }: Conf): void {
  mkdirSync(CONF_DIR, { recursive: true })
  writeFileSync(`${CONF_DIR}/10-lab.conflist`, JSON.stringify({ cniVersion, name, plugins: [plugin] }))
}

/** Starts containerd with a network of one plugin. */
export async function startContainerd(network: Conf): Promise<Containerd> {
  configureNetwork(network)
  await shell(`mkdir -p ${ROOTFS}/{bin,proc,sys,dev,etc,tmp,run}; cp /bin/busybox ${ROOTFS}/bin/
    ln -sf busybox ${ROOTFS}/bin/sh; ln -sf busybox ${ROOTFS}/bin/sleep`)
  const daemon: Running = start('containerd', ['--log-level', 'warn'])
  await until('containerd answers', async () => (await run('ctr', ['version'])).exitCode === 0)
  const hasTask = async (state: string) => (await must('ctr', 'task', 'ls')).includes(state)
  return {
    async runDetached(container) {
      await must('ctr', 'run', '-d', '--cni', '--rootfs', ROOTFS, container, '/bin/sleep', '600')
      await until('the task runs', () => hasTask('RUNNING'))
    },
    async runGranted(container, { devices, envs }) {
      const ctr = start('ctr', [
        ...['run', '--cni', '--rm'],
        ...devices.flatMap(({ hostPath }) => ['--device', hostPath]),
        ...Object.entries(envs).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
        ...['--rootfs', ROOTFS, container, '/bin/sleep', '600'],
      ])
      let hasEnded = false
      void ctr.done.then(() => {
        hasEnded = true
      })
      await until('the task runs', async () => {
        if (hasEnded) {
          throw new Error(`ctr has ended: ${(await ctr.done).stderr}`)
        }
        return hasTask(`${container} `).then(async (isThere) => isThere && (await hasTask('RUNNING')))
      })
      return ctr
    },
    exec: (container, command) => must('ctr', 'task', 'exec', '--exec-id', 'look', container, '/bin/sh', '-c', command),
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
