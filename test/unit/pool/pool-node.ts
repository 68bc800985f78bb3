/** A fake node with a device plugin, and a kubelet that talks to it over real sockets. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, vi } from 'vitest'
import { fileIdentity, watchFolder } from '../../../src/host/node-events.js'
import type { Host } from '../../../src/host/ports.js'
import { loadPolicy } from '../../../src/policy/load.js'
import { readPoolConf } from '../../../src/pool/conf/conf.js'
import { readRdmaConf } from '../../../src/pool/conf/rdma-conf.js'
import { type PoolService, startService } from '../../../src/pool/service.js'
import { operatorHost } from '../../../src/state/folder.js'
import { hostOf } from '../../fakes/call.js'
import { FakeKubelet, type KubeletOptions } from '../../fakes/kubelet.js'
import type { FakeWorld } from '../../fakes/machine/world.js'
import { setPolicy } from '../../fakes/policy.js'

/** Ten seconds of patience are a fifth of one here. */
const FASTER = 50

export const RESOURCE = 'intel.com/vfs'
export const ALL = { resourceList: [{ resourceName: 'vfs', selectors: [{}] }] }

export interface PoolNode {
  readonly world: FakeWorld
  readonly kubelet: FakeKubelet
  service: PoolService
  /** Replaces the configuration file. */
  configure(conf: object | string): void
  /** The device plugin ends, and begins again. */
  restart(): void
  /** Waits until kubelet sees so many healthy devices, of so many. */
  sees(healthy: number, all: number, resource?: string): Promise<void>
}

/** The files of the fake machine, but kubelet's folder, which is real. */
function withRealFolder(host: Host, folder: string): Host {
  const isReal = (path: string) => path.startsWith(`${folder}/`)
  const readReal = (path: string) => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  }
  const { files } = host
  return {
    ...host,
    files: {
      ...files,
      readText: (path) => (isReal(path) ? readReal(path) : files.readText(path)),
      list: (path) => (!isReal(path) ? files.list(path) : fileIdentity(path) === undefined ? [] : readdirSync(path)),
      exists: (path) => (isReal(path) ? fileIdentity(path) !== undefined : files.exists(path)),
      remove: (path) => (isReal(path) ? rmSync(path, { force: true }) : files.remove(path)),
    },
  }
}

export interface NodeOptions extends KubeletOptions {
  readonly conf?: object | string
  readonly rdma?: object
  /** Whether kubelet is there before the device plugin. */
  readonly isKubeletLate?: boolean
}

export async function poolNode(world: FakeWorld, options: NodeOptions = {}): Promise<PoolNode> {
  const folder = mkdtempSync('/tmp/pool-')
  const kubelet = new FakeKubelet(folder, options)
  setPolicy(world, { kubeletFolder: folder })
  let conf = options.conf ?? ALL
  const host = withRealFolder(hostOf(world), folder)
  const start = () =>
    startService({
      files: host.files,
      log: host.log,
      kubeletFolder: folder,
      identityOf: fileIdentity,
      after: (ms, work) => void setTimeout(work, ms / FASTER),
      openHost: () => operatorHost(host, loadPolicy(host.files)),
      conf: {
        path: 'config.json',
        read: () => readPoolConf(typeof conf === 'string' ? conf : JSON.stringify(conf), 'config.json'),
      },
      ...(options.rdma && {
        rdmaConf: { path: 'rdma.json', read: () => readRdmaConf(JSON.stringify(options.rdma), 'rdma.json') },
      }),
    })
  if (options.isKubeletLate !== true) {
    await kubelet.start()
  }
  const node: PoolNode = {
    world,
    kubelet,
    service: start(),
    configure(next) {
      conf = next
      node.service.confChanged()
    },
    restart() {
      node.service.stop()
      node.service = start()
    },
    sees: (healthy, all, resource = RESOURCE) =>
      vi.waitFor(
        () => {
          expect([kubelet.healthy(resource).length, kubelet.devices(resource)?.length]).toEqual([healthy, all])
        },
        { timeout: 4_000, interval: 10 },
      ),
  }
  const watches = ['plugins_registry', 'device-plugins'].map((name) =>
    watchFolder(join(folder, name), () => node.service.kubeletChanged()),
  )
  onTestFinished(() => {
    for (const one of watches) {
      one.stop()
    }
    node.service.stop()
    kubelet.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return node
}

/** What the device plugin has logged about something. */
export const logged = ({ world }: PoolNode, pattern: RegExp): readonly string[] =>
  world.log.filter((line) => pattern.test(line))
