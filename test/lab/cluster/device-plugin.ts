/** The device plugin of the installed plugin, and a kubelet for it. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { vi } from 'vitest'
import type { ContainerAllocateResponse } from '../../../src/kubelet/generated/deviceplugin_pb.js'
import { FakeKubelet, type KubeletOptions } from '../../fakes/kubelet.js'
import { SRIOVCTL } from '../calls/ctl.js'
import { PATIENCE_MS } from '../host/patience.js'
import { type Running, start } from '../host/process.js'

const KUBELET = '/var/lib/kubelet'
const CONF_DIR = '/etc/pcidp'
const CONF = `${CONF_DIR}/config.json`
const RDMA_CONF = `${CONF_DIR}/rdma.json`

export interface DevicePlugin {
  readonly kubelet: FakeKubelet
  readonly process: Running
  /** Replaces the configuration file. */
  configure(resourceList: readonly object[]): void
  /** Waits until kubelet sees so many healthy devices, of so many. Returns the milliseconds. */
  sees(resource: string, healthy: number, all: number): Promise<number>
  /** What the process has printed so far. */
  printed(): { readonly stderr: string }
  /** Ends the process and starts another. */
  restart(signal?: NodeJS.Signals): Promise<void>
}

let end: () => Promise<void> = async () => undefined

/** Ends what a test has started, and removes what it wrote. */
export const stopDevicePlugin = (): Promise<void> => end()

/** Starts both. */
export async function startDevicePlugin(
  resourceList: readonly object[],
  {
    rdma,
    args = [],
    ...options
  }: KubeletOptions & { readonly rdma?: readonly object[]; readonly args?: readonly string[] } = {},
): Promise<DevicePlugin> {
  const configure = (list: readonly object[]) => {
    mkdirSync(CONF_DIR, { recursive: true })
    writeFileSync(CONF, JSON.stringify({ resourceList: list }))
  }
  configure(resourceList)
  if (rdma) {
    writeFileSync(RDMA_CONF, JSON.stringify({ configList: rdma }))
  }
  const kubelet = new FakeKubelet(KUBELET, options)
  await kubelet.start()
  const begin = () =>
    start(SRIOVCTL, [
      ...['device-plugin', '--log-level', 'debug', ...args],
      ...(rdma ? ['--rdma-config', RDMA_CONF] : []),
    ])
  let running = begin()
  end = async () => {
    end = async () => undefined
    running.killGroup()
    await running.done
    kubelet.stop()
    for (const path of [KUBELET, CONF_DIR, '/var/lib/cni/sriov/.promises', '/run/k8s.cni.cncf.io']) {
      rmSync(path, { recursive: true, force: true })
    }
  }
  return {
    kubelet,
    get process() {
      return running
    },
    configure,
    async sees(resource, healthy, all) {
      const startedAt = performance.now()
      await vi.waitFor(
        () => {
          const seen = [kubelet.healthy(resource).length, kubelet.devices(resource)?.length]
          if (seen[0] !== healthy || seen[1] !== all) {
            throw new Error(
              `kubelet sees ${seen.join(' of ')} of ${resource}; ${running.printed().stderr.slice(-3_000)}`,
            )
          }
        },
        { timeout: PATIENCE_MS, interval: 20 },
      )
      return performance.now() - startedAt
    },
    printed: () => running.printed(),
    async restart(signal = 'SIGTERM') {
      process.kill(running.pid, signal)
      await running.done
      running = begin()
    },
  }
}

const quoted = (text: string): string => `'${text.replace(/'/g, `'\\''`)}'`

/**
 * Words in front of a command line: it then has a /dev with only what every container has and what Allocate gave, and no
 * environment but what Allocate gave.
 */
export function asGranted({ devices, envs }: ContainerAllocateResponse): readonly string[] {
  const nodes = devices.map(({ hostPath, containerPath }) => {
    const folder = containerPath.slice(0, containerPath.lastIndexOf('/'))
    return `mkdir -p ${folder}; mknod ${containerPath} c $(stat -c '0x%t 0x%T' /run/host-dev${hostPath.slice('/dev'.length)})`
  })
  const script = [
    'mkdir -p /run/host-dev; mount --rbind /dev /run/host-dev; mount -t tmpfs dev /dev',
    'mknod /dev/null c 1 3; mknod /dev/zero c 1 5; mknod /dev/random c 1 8; mknod /dev/urandom c 1 9',
    ...nodes,
    'umount -l /run/host-dev',
    `exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin ${Object.entries(envs)
      .map(([name, value]) => `${name}=${quoted(value)}`)
      .join(' ')} "$@"`,
  ].join('\n')
  return ['unshare', '--mount', '--propagation', 'private', '--', 'sh', '-ec', script, 'granted']
}
