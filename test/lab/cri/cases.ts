/** What kubelet and a node do to a container runtime, and how the host is to be after it. */
import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ctlJson } from '../calls/ctl.js'
import { hostLocal, netConf } from '../calls/plugin.js'
import { settingsOf } from '../host/kernel-view.js'
import { until } from '../host/process.js'
import type { UntouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'
import { inSandbox, isReady, type PodConfig, removePod, removePods, sandboxPid } from './client.js'
import { PAUSE_IMAGE } from './image.js'
import { called, holdAnswers, installNoted, NOTED, removeNoted, takeCalls } from './noted.js'
import { DEFAULT_NETWORK, type Runtime, type RuntimeName, startRuntime } from './runtime.js'

export const VF = vf(0)
export const OURS = netConf(VF, { type: NOTED, vlan: 100, ...hostLocal() })
const LOGS = '/run/lab-pods'

export const podConfig = (name: string, attempt = 0): PodConfig => ({
  metadata: { name, uid: `uid-${name}`, namespace: 'lab', attempt },
  hostname: name,
  logDirectory: `${LOGS}/${name}`,
  linux: {},
})

export type Case = readonly [name: string, run: (runtime: Runtime) => Promise<void>]

const addressesOf = async ({ cri }: Runtime, pod: string) => inSandbox(cri, pod, 'ip', '-4', '-br', 'addr')
const HAS_BOTH = /eth0@.* 10\.8\.0\..*eth1 .* 10\.9\.0\./s

const kill = async ({ cri }: Runtime, pod: string): Promise<void> => {
  process.kill(await sandboxPid(cri, pod), 'SIGKILL')
}

/** What kubelet does after a failure: it removes the sandboxes that the runtime knows, and makes another. */
async function retry(runtime: Runtime, name: string): Promise<void> {
  const { cri } = runtime
  await removePods(cri)
  const pod = await cri.runPodSandbox(podConfig(name, 1))
  expect(await addressesOf(runtime, pod)).toMatch(HAS_BOTH)
  await removePod(cri, pod)
}

const CASES: readonly Case[] = [
  [
    'a pod with the default network and a VF, and a container in it; stopped twice',
    async (runtime) => {
      const { cri } = runtime
      const config = podConfig('whole')
      const pod = await cri.runPodSandbox(config)
      expect(await addressesOf(runtime, pod)).toMatch(HAS_BOTH)
      expect(await settingsOf(VF)).toMatchObject({ vlan_list: [{ vlan: 100 }] })
      const { vfs } = await ctlJson<{ vfs: { address: string; pod: object }[] }>('status')
      expect(vfs.find(({ address }) => address === VF.pci)?.pod).toMatchObject({
        ...{ namespace: 'lab', name: 'whole', containerId: pod, ifName: 'eth1' },
      })
      const container = await cri.createContainer(
        pod,
        { metadata: { name: 'c' }, image: { image: PAUSE_IMAGE }, logPath: 'c.log', linux: {} },
        config,
      )
      await cri.startContainer(container)
      expect((await cri.execSync(container, 'ip', 'addr')).stdout).toMatch(/eth1.*10\.9\.0\./s)
      await cri.stopPodSandbox(pod)
      await cri.stopPodSandbox(pod)
      await cri.removePodSandbox(pod)
      expect(takeCalls().map(({ verb, hasNetns }) => [verb, hasNetns])).toEqual([
        ['ADD', true],
        ['DEL', true],
        // The second time the namespace is gone.
        ['DEL', false],
        ['DEL', false],
      ])
    },
  ],
  [
    'a second pod that wants the same VF fails with our sentence, and leaves nothing at the bridge',
    async (runtime) => {
      const { cri } = runtime
      const pod = await cri.runPodSandbox(podConfig('first'))
      await expect(cri.runPodSandbox(podConfig('second'))).rejects.toMatchObject({
        details: expect.stringContaining(`VF 0 of ens1f0 (${VF.pci}) is in use by container ${pod} interface eth1`),
      })
      expect(await addressesOf(runtime, pod)).toMatch(HAS_BOTH)
      await removePod(cri, pod)
    },
  ],
  [
    'the default network fails beside us: the VF goes back',
    async (runtime) => {
      await runtime.configure({ ...DEFAULT_NETWORK, hairpinMode: true, promiscMode: true }, OURS)
      await expect(runtime.cri.runPodSandbox(podConfig('half'))).rejects.toMatchObject({
        details: expect.stringContaining('hairpin'),
      })
      await runtime.configure(DEFAULT_NETWORK, OURS)
      expect(takeCalls().map(({ verb }) => verb)).toEqual(['ADD', 'DEL'])
    },
  ],
  [
    'the default network fails, and its DEL, too, so that nobody calls ours: the next pod gets the VF',
    async (runtime) => {
      const { cri } = runtime
      await runtime.configure({ ...DEFAULT_NETWORK, ...hostLocal('10.8.0.0/33') }, OURS)
      await expect(cri.runPodSandbox(podConfig('stuck'))).rejects.toMatchObject({
        details: expect.stringContaining('invalid CIDR address'),
      })
      await runtime.configure(DEFAULT_NETWORK, OURS)
      await retry(runtime, 'stuck')
    },
  ],
  [
    "the sandbox's process is killed",
    async (runtime) => {
      const { cri } = runtime
      const pod = await cri.runPodSandbox(podConfig('killed'))
      await kill(runtime, pod)
      await until('the runtime sees it', async () => !(await isReady(cri, pod)))
      await removePod(cri, pod)
    },
  ],
  [
    'containerd is killed and started again while the pod runs',
    async (runtime) => {
      const pod = await runtime.cri.runPodSandbox(podConfig('survivor'))
      await runtime.kill()
      await runtime.restart()
      expect(await isReady(runtime.cri, pod)).toBe(true)
      expect(await addressesOf(runtime, pod)).toMatch(HAS_BOTH)
      runtime.stall(4_000)
      expect(await ctlJson('gc')).toEqual({ leftovers: [] })
      await removePod(runtime.cri, pod)
    },
  ],
  [
    'containerd and the pod die, then containerd starts again',
    async (runtime) => {
      const pod = await runtime.cri.runPodSandbox(podConfig('gone'))
      const pid = await sandboxPid(runtime.cri, pod)
      await runtime.kill()
      process.kill(pid, 'SIGKILL')
      await runtime.restart()
      expect(await isReady(runtime.cri, pod)).toBe(false)
      await removePod(runtime.cri, pod)
    },
  ],
  [
    'containerd is killed while it waits for our ADD, and makes the pod once more',
    async (runtime) => {
      const release = holdAnswers()
      const lost = expect(runtime.cri.runPodSandbox(podConfig('torn'))).rejects.toThrow()
      await called('ADD')
      await until('the VF is in the pod', async () => (await settingsOf(VF)).vlan_list[0]?.vlan === 100)
      await runtime.kill()
      await lost
      release()
      await runtime.restart()
      await retry(runtime, 'torn')
    },
  ],
]

/** The tests of one runtime. */
export function describeRuntime(name: RuntimeName, host: UntouchedHost, more: readonly Case[] = []): void {
  describe(name, () => {
    let runtime: Runtime
    beforeAll(async () => {
      installNoted()
      runtime = await startRuntime(name, DEFAULT_NETWORK, OURS)
    })
    afterAll(async () => {
      await runtime.stop()
      removeNoted()
      rmSync(LOGS, { recursive: true, force: true })
    })
    // Of a test that failed: before the host is compared.
    afterEach(async () => {
      await removePods(runtime.cri)
      takeCalls()
    })
    test.each([...CASES, ...more])('%s', async (_name, run) => {
      await run(runtime)
      expect(await host.differences()).toEqual([])
    })
  })
}
