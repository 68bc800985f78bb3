/** A node that has nothing, the image, and the manifests: as `kubectl apply -k` brings them. */
import { appendFileSync, existsSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { FakeKubelet } from '../../fakes/kubelet.js'
import { rendered } from '../../manifests/rendered.js'
import { SRIOVCTL } from '../calls/ctl.js'
import { add, BIN_DIR, type Conf, call, del, netConf, PLUGIN } from '../calls/plugin.js'
import { canPing, inPod, newPod, type Pod, removePod } from '../calls/pods.js'
import { type NodePod, startNodePod } from '../cri/daemon-set.js'
import { type Runtime, startRuntime } from '../cri/runtime.js'
import { settingsOf } from '../host/kernel-view.js'
import { must, run, shell, start, until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { ALL_VFS, type Vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const RESOURCE = 'example.com/sriov'
const { version: VERSION } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
const BUILD = `localhost/sriov-cni:${VERSION}`
/** The same build by another name; the installed one is made to look like another. */
const NEXT_BUILD = 'localhost/sriov-cni:next'
const ENTRY = '/sriov-cni/entry'
const KUBELET = '/var/lib/kubelet'
const ASIDE = `${BIN_DIR}/.aside`
/** Calls while the plugin is being upgraded. LAB_CALLS says more. */
const CALLS = Number(process.env.LAB_CALLS ?? 40)

let runtime: Runtime
let kubelet: FakeKubelet
let before: string
let nodePod: NodePod | undefined

/** Every file and folder where the plugin, kubelet and CNI have theirs. */
const filesOfNode = (): Promise<string> =>
  shell(`find /opt/cni /var/lib/cni /var/lib/sriov-cni /run/sriov-cni /run/k8s.cni.cncf.io /etc/sriov-cni ${KUBELET} \
    -not -path '${ASIDE}*' -not -path '${KUBELET}/pods*' \
    -not -name kubelet_internal_checkpoint 2>/dev/null | sort || true`)

/** The device plugin looks at everything every five minutes, whatever it was told of. */
const sees = (healthy: number) =>
  vi.waitFor(
    () => {
      const seen = [kubelet.healthy(RESOURCE).length, kubelet.devices(RESOURCE)?.length]
      if (seen[0] !== healthy) {
        throw new Error(`kubelet sees ${seen.join(' of ')}; ${nodePod?.log('device-plugin').slice(-3_000)}`)
      }
    },
    { timeout: 360_000, interval: 200 },
  )

beforeAll(async () => {
  // As systemd does, and kubelet wants it for HostToContainer.
  await must('mount', '--make-rshared', '/')
  // What the lab has installed is put aside: this node has nothing.
  await shell(`mkdir -p ${ASIDE}; mv ${PLUGIN} ${BIN_DIR}/.sriov ${ASIDE}/`)
  kubelet = new FakeKubelet(KUBELET)
  await kubelet.start()
  runtime = await startRuntime('containerd 1.6', { cniVersion: '1.0.0', name: 'none', type: 'loopback' })
  await must(`${runtime.folder}/ctr`, '-n', 'k8s.io', 'images', 'import', `dist/sriov-cni-${VERSION}-image.tar`)
  await must(`${runtime.folder}/ctr`, '-n', 'k8s.io', 'images', 'tag', BUILD, NEXT_BUILD)
  // What other files of tests have left; whatever appears from now on is the plugin's.
  await shell('rm -rf /var/lib/cni/sriov /var/lib/sriov-cni /run/sriov-cni /run/k8s.cni.cncf.io')
  before = await filesOfNode()
})

afterAll(async () => {
  await nodePod?.stop()
  await runtime?.stop()
  kubelet?.stop()
  rmSync(KUBELET, { recursive: true, force: true })
  await must('mount', '--make-rprivate', '/')
  await shell(`rm -rf ${PLUGIN} ${BIN_DIR}/.sriov; mv ${ASIDE}/sriov ${ASIDE}/.sriov ${BIN_DIR}/; rmdir ${ASIDE}`)
})

const pods: { pod: Pod; conf: Conf; device: Vf }[] = []

/** A pod as kubelet and Multus bring it to the plugin. */
async function podWithVf(name: string, address: string): Promise<Pod> {
  const { devices } = await kubelet.admit(name, RESOURCE, 1)
  const device = ALL_VFS.find(({ pci }) => pci === devices[0]) as Vf
  const pod = await newPod()
  const conf = netConf(device, { vlan: 100 })
  await add(pod, conf, { env: { CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name};K8S_POD_UID=${name}` } })
  await inPod(pod, 'ip', 'addr', 'add', address, 'dev', 'net1')
  pods.push({ pod, conf, device })
  return pod
}

async function endPods(): Promise<void> {
  for (const { pod, conf } of pods.splice(0)) {
    await del(pod, conf)
    await removePod(pod)
  }
}

describe('a node of a cluster', () => {
  test('nothing, then the DaemonSet: pool, pods, status, metrics, upgrade, and nothing again', {}, async () => {
    nodePod = await startNodePod(runtime.cri, rendered('overlays/multus'))
    await sees(ALL_VFS.length)

    for (let i = 0; i < 7; i += 1) {
      await podWithVf(`cart-${i}`, `10.7.0.${i + 1}/24`)
    }
    const [first, second] = pods.map(({ pod }) => pod) as [Pod, Pod]
    const status = await run(SRIOVCTL, ['status'])
    expect(status.stdout).toContain('7 in use')
    const inside = await nodePod.exec('janitor', ENTRY, 'sriovctl', 'status')
    expect(inside).toEqual({ exitCode: 0, stdout: status.stdout, stderr: '' })

    const server = start('ip', ['netns', 'exec', second.name, 'iperf3', '--server', '--one-off'])
    await until('iperf3 listens', async () => (await inPod(second, 'cat', '/proc/net/tcp6')).includes(':1451 '))
    await inPod(first, 'iperf3', '--client', '10.7.0.2', '--time', '4')
    await server.done
    await until('the metrics have the traffic', async () => {
      const text = await (await fetch('http://127.0.0.1:9808/metrics')).text()
      const [, bytes = '0'] = /^sriov_vf_tx_bytes\{[^}]*pod="cart-0"[^}]*\} (\d+)$/m.exec(text) ?? []
      return Number(bytes) > 100_000
    })

    await upgraded()
    await nodePod.probe()
    await sees(ALL_VFS.length)
    for (const { device } of pods) {
      expect(await settingsOf(device)).toMatchObject({ vlan_list: [{ vlan: 100 }] })
    }
    expect(await canPing(first, '10.7.0.2')).toBe(true)
    expect(await nodePod.isRunning('janitor')).toBe(true)

    await nodePod.stop()
    nodePod = await startNodePod(runtime.cri, rendered('overlays/uninstall'))
    await until(
      'the uninstaller waits for the pods',
      async () => nodePod?.log('uninstall').includes('7 devices are in use') ?? false,
    )
    expect(existsSync(PLUGIN)).toBe(true)
    await endPods()
    await until('the plugin is removed', async () => nodePod?.log('uninstall').includes('removed;') ?? false)
    await nodePod.stop()
    nodePod = undefined
    expect(await filesOfNode()).toBe(before)
    expect(await host.differences()).toEqual([])
  })
})

/** Replaces the DaemonSet's pod by that of the next build, while pods come and go. */
async function upgraded(): Promise<void> {
  let isDone = false
  let made = 0
  const failed: unknown[] = []
  const comeAndGo = async (device: Vf) => {
    while (!isDone || made < CALLS) {
      const pod = await newPod()
      for (const verb of ['ADD', 'DEL'] as const) {
        const { exitCode, stdout, stderr } = await call(verb, pod, netConf(device, { vlan: 7 }))
        made += 1
        if (exitCode !== 0) {
          failed.push(`${verb}: ${stdout}${stderr}`)
        }
      }
      await removePod(pod)
    }
  }
  const free = ALL_VFS.find((one) => !pods.some(({ device }) => device === one))
  const calls = comeAndGo(free as Vf)
  await nodePod?.stop()
  const current = readlinkSync(`${BIN_DIR}/.sriov/current`)
  appendFileSync(`${BIN_DIR}/.sriov/current/.sums`, 'another build\n')
  nodePod = await startNodePod(runtime.cri, rendered('overlays/multus'), NEXT_BUILD)
  expect(readlinkSync(`${BIN_DIR}/.sriov/current`)).not.toBe(current)
  isDone = true
  await calls
  process.stdout.write(`${made} calls during the upgrade\n`)
  expect(failed).toEqual([])
}

// Whatever a failed test has left.
afterEach(endPods)
