/** containerd as kubelet has it: its CRI plugin, with a default network and ours. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type Conf, hostLocal } from '../calls/plugin.js'
import { ip, type Running, start, until } from '../host/process.js'
import { CRI_SOCKET, type Cri, criAt, removePods } from './client.js'
import { importPause, PAUSE_IMAGE } from './image.js'

/** The versions in the guest, and where their programs are. */
export const RUNTIMES = { 'containerd 1.6': '/usr/bin', 'containerd 2': '/opt/containerd-2/bin' } as const
export type RuntimeName = keyof typeof RUNTIMES

const FOLDER = '/run/lab-containerd'
const CONFIG = `${FOLDER}/config.toml`
const CONF_DIR = '/etc/cni/net.d'
const BRIDGE = 'cni0'

/** The network that every pod has at eth0. */
export const DEFAULT_NETWORK: Conf = {
  cniVersion: '1.0.0',
  name: 'default',
  type: 'bridge',
  bridge: BRIDGE,
  ...hostLocal('10.8.0.0/24'),
}

export interface Runtime {
  readonly cri: Cri
  /** Of this version: ctr, containerd and its shim. */
  readonly folder: string
  /** Networks of pods that begin from now on: the first is at eth0, the second at eth1. */
  configure(...networks: readonly Conf[]): Promise<void>
  /** SIGKILL to containerd alone: its pods go on. */
  kill(): Promise<void>
  /** Lets containerd stand still for a while, as on a node that is short of everything. */
  stall(ms: number): void
  /** Starts containerd again. */
  restart(): Promise<void>
  /** What containerd has said since it was started last. */
  log(): string
  /** Removes all pods and ends containerd. */
  stop(): Promise<void>
}

// Version 2 of the format is what 1.6 reads; 2.x translates it. An overlay cannot have its upper folder in the guest's
// root, which is one itself, so all is in /run.
const configOf = (networks: number): string => `version = 2
root = "${FOLDER}/root"
state = "${FOLDER}/state"
[grpc]
  address = "${CRI_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "${CONF_DIR}"
    max_conf_num = ${networks}
`

/** A configuration as a list of one plugin, which is what runtimes read. */
const listOf = ({ cniVersion, name, ...plugin }: Conf): string =>
  JSON.stringify({ cniVersion, name, plugins: [plugin] })

/** Each file is replaced: containerd loses sight of a folder that is removed. */
function writeNetworks(networks: readonly Conf[]): void {
  mkdirSync(CONF_DIR, { recursive: true })
  networks.forEach((network, index) => {
    const path = `${CONF_DIR}/${index + 1}0-lab.conflist`
    writeFileSync(`${path}.new`, listOf(network))
    renameSync(`${path}.new`, path)
  })
}

/** Starts containerd with networks, without pods, with the image of pauses. */
export async function startRuntime(name: RuntimeName, ...networks: readonly Conf[]): Promise<Runtime> {
  const folder = RUNTIMES[name]
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(CONFIG, configOf(networks.length))
  writeNetworks(networks)
  // The bridge plugin would make it with the first pod and leave it.
  await ip(`link add ${BRIDGE} address 02:00:00:00:c0:01 type bridge`)
  await ip(`link set ${BRIDGE} up`)
  // The first namespace of ip(8) covers /run/netns with a mount: containerd could not remove the one of a pod any more.
  await ip('netns add lab-first')
  await ip('netns del lab-first')
  const cri = criAt()
  const isNetworkReady = async () => (await cri.status()).NetworkReady === undefined
  let daemon: Running
  const begin = async () => {
    daemon = start(`${folder}/containerd`, ['--config', CONFIG, '--log-level', 'info'], {
      env: { PATH: `${folder}:/usr/sbin:/usr/bin:/sbin:/bin` },
    })
    await until(`${name} answers`, () =>
      isNetworkReady().then(
        () => true,
        () => false,
      ),
    )
  }
  await begin()
  await importPause(`${folder}/ctr`)
  await until('the CRI plugin has the image', async () => (await cri.imageStatus(PAUSE_IMAGE)) !== undefined)
  return {
    cri,
    folder,
    async configure(...next) {
      writeNetworks(next)
      await until('containerd has read its networks', async () => {
        const { cniconfig = '{}' } = await cri.info()
        const { Networks = [] } = JSON.parse(cniconfig) as { Networks?: { Config: { Source: string } }[] }
        // Those of the loopback interface are there, too.
        return next.every((one) => Networks.some(({ Config }) => Config.Source === listOf(one)))
      })
    },
    async kill() {
      process.kill(daemon.pid, 'SIGKILL')
      await daemon.done
    },
    stall(ms) {
      const { pid } = daemon
      process.kill(pid, 'SIGSTOP')
      setTimeout(() => process.kill(pid, 'SIGCONT'), ms)
    },
    restart: begin,
    log: () => daemon.printed().stderr,
    async stop() {
      await removePods(cri)
      cri.close()
      process.kill(daemon.pid, 'SIGTERM')
      await daemon.done
      await ip(`link del ${BRIDGE}`)
      for (const path of [FOLDER, CONF_DIR]) {
        rmSync(path, { recursive: true, force: true })
      }
    },
  }
}
